"""Filled databases of released revisions, as text, and what makes them."""
