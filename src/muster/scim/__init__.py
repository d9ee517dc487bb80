"""The language of SCIM 2.0 (RFC 7643, RFC 7644): schemas, filters, PATCH, server and client; opens no socket."""
