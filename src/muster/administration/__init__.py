"""What admins do, one function a thing: checks the role, validates, writes through ports, writes the audit entry."""
