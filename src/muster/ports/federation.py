"""Signing in with another OpenID Connect provider: its settings, sealed, and the conversation with it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from muster.model.identity_provider import Endpoints, IdentityProvider, SignInRequest, Vouched


class IdentityProviderStore(Protocol):
    """The one provider that signing in is delegated to; sealed at rest, as a secret is in it."""

    def get(self) -> IdentityProvider | None:
        """Returns the provider, None before there is one."""
        ...

    def put(self, provider: IdentityProvider | None) -> None:
        """Keeps the provider in place of the one before; None: there is none any more."""
        ...

    def reseal(self) -> int:
        """Seals with the key in force what an older one has sealed; returns how many values that were."""
        ...


class RelyingParty(Protocol):
    """Our side of the conversation. Every call raises FederationRefused when it cannot go on."""

    def look(self, provider: IdentityProvider, at: datetime) -> Endpoints:
        """Returns what the provider says of itself now, its keys looked at, too."""
        ...

    def address(self, provider: IdentityProvider, request: SignInRequest, at: datetime) -> str:
        """Returns where a browser goes to sign in."""
        ...

    def redeem(
        self, provider: IdentityProvider, request: SignInRequest, answer: Mapping[str, str], at: datetime
    ) -> Vouched:
        """Returns whom the provider vouches for with its answer (the parameters at the redirect URI), all checked."""
        ...
