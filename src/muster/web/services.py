"""What the faces need of the house, as one value that bootstrap fills."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from muster.administration.desk import Desk, Stores, Uploads
from muster.model.roles import Caller
from muster.ports.engine_room import EngineRoom
from muster.ports.federation import RelyingParty
from muster.ports.notifier import Notifications
from muster.ports.world import Clock, Ids
from muster.ui.sessions import FaceMemory, own_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Stores and callables; `public_url` None: what the request says is how others reach us."""

    stores: Stores
    clock: Clock
    ids: Ids
    tenant_id: str
    engine_room: EngineRoom
    uploads: Uploads
    notifications: Notifications
    relying_party: RelyingParty
    together: Callable[[], AbstractContextManager[object]]
    # Why the service cannot work now, None if it can (for /readyz).
    trouble: Callable[[], str | None]
    public_url: str | None = None
    # What others than this machine itself present to read metrics; None: they do not.
    metrics_token: str | None = None
    behind_proxy: bool = False
    # Requests to the API that a caller may send a second in the long run; 0: any number.
    api_rate: float = 0
    # Of an installation with several web processes all of them have the same.
    faces: FaceMemory = field(default_factory=own_memory)

    def root(self, environ: Mapping[str, Any]) -> str:
        """Returns the address that a request came to: the public one, or what the request says."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"
        return f"{environ.get('wsgi.url_scheme', 'http')}://{host}"

    def desk(self, caller: Caller) -> Desk:
        """Returns the caller's desk."""
        return Desk(
            caller=caller,
            stores=self.stores,
            clock=self.clock,
            ids=self.ids,
            tenant_id=self.tenant_id,
            engine_room=self.engine_room,
            uploads=self.uploads,
            notifications=self.notifications,
            relying_party=self.relying_party,
            together=self.together,
        )
