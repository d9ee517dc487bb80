"""SAML 2.0 for both parties: messages written and read, signed and checked."""
