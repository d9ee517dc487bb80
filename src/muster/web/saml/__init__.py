"""The face of the SAML identity provider."""
