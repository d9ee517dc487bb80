"""Microsoft Graph, or an API of its shape, as a source."""
