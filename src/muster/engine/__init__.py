"""The engine: carries changes from a source to a target."""
