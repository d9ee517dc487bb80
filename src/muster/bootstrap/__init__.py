"""Where the parts meet: the only rooms that name concrete adapters, and the processes they run in."""
