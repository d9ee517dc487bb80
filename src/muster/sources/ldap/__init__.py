"""LDAP and Active Directory as a source: a client of the protocol's reading half, and the reader over it."""
