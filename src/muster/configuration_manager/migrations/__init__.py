"""The revisions of the Configuration Manager's tables, in order."""
