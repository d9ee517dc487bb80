"""Muster: self-hosted automatic user provisioning."""
