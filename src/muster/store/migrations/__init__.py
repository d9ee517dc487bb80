"""The revisions of the service's tables, in order."""
