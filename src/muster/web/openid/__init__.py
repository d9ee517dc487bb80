"""The OpenID Connect provider: applications sign people of the directory in."""
