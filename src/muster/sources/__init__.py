"""Source systems: our own directory, and files that an admin hands in."""
