"""Targets: what the engine writes to. SCIM applications, our own directory, a recorder for tests and what-ifs."""
