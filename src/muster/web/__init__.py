"""The service's faces over HTTP: they parse, call and render, and hold no rule."""
