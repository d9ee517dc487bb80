"""scim2-server with its storage in memory, as an ASGI application."""

from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage, InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.utils import load_default_provider

provider = load_default_provider()
app = ASGIApplication(AsyncInMemoryStorage(InMemoryStorage()), provider, ScimService(provider, secret="x" * 32))
