"""HTTP out: the client every target is called with, and the guard that keeps it out of the operator's own network."""
