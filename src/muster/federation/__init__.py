"""Signing in with another OpenID Connect provider: the relying party, over the guarded transport."""
