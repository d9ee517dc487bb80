"""The watch over tokens and secrets of this installation: whoever uses one hears before it ends."""

from collections.abc import Iterator
from datetime import timedelta

from muster.model.clients import Expiring
from muster.planning.notices import notice_of_expiry
from muster.ports.administration import AccessStore
from muster.ports.applications import ApplicationStore
from muster.ports.clients import ClientStore
from muster.ports.notifier import Notifier
from muster.ports.single_sign_on import SingleSignOnStore
from muster.ports.world import Clock

EXPIRY_LOOK_EVERY = timedelta(hours=1)


class ExpiryWatch:
    """Looks after API tokens, the secrets of app registrations, and the certificates that sign for applications."""

    def __init__(
        self,
        access: AccessStore,
        clients: ClientStore,
        applications: ApplicationStore,
        single_sign_on: SingleSignOnStore,
        notifier: Notifier,
        clock: Clock,
    ) -> None:
        self._access = access
        self._clients = clients
        self._applications = applications
        self._single_sign_on = single_sign_on
        self._notifier = notifier
        self._clock = clock

    def look(self) -> bool:
        """Tells of what will soon end, each once a step however often it is seen."""
        now = self._clock.now()
        for credential in self._credentials():
            notice = notice_of_expiry(credential, now)
            if notice is not None:
                self._notifier.notify(notice)
        return False

    def _credentials(self) -> Iterator[Expiring]:
        for token in self._access.tokens():
            # Those of an hour or a day are made to end, and nobody waits for a word about them.
            if token.expires_at is not None and token.expires_at - token.created_at > timedelta(days=1):
                yield Expiring(id=token.id, name=f"The API token “{token.name}”", expires_at=token.expires_at)
        for client in self._clients.list():
            for secret in client.secrets:
                name = f"The secret {secret.hint}… of the app registration “{client.display_name}”"
                yield Expiring(id=secret.key_id, name=name, expires_at=secret.expires_at)
        for service_principal_id, certificate in self._single_sign_on.all_certificates():
            application = self._applications.get(service_principal_id)
            if application is not None:
                yield Expiring(
                    id=certificate.key_id,
                    name=f"The signing certificate {certificate.thumbprint[:8]}… of “{application.display_name}”",
                    expires_at=certificate.not_after,
                    service_principal_id=service_principal_id,
                )
