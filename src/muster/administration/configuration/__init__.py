"""Configuration as code: exported, compared, applied as a whole."""
