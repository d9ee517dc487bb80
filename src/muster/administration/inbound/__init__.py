"""SCIM clients as sources: another system puts people and groups into our directory."""
