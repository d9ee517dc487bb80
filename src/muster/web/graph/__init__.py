"""The API in Microsoft Graph's shapes, and ours beside it in the same style."""
