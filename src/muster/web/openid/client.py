"""An application and a grant as the library's server asks for them (authlib: ClientMixin, AuthorizationCodeMixin)."""

import hmac
from dataclasses import dataclass
from typing import Any

from muster.model.application import EnterpriseApplication
from muster.model.openid import SCOPES, OpenIdGrant, OpenIdSettings
from muster.sealing import hash_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An application that people are signed in to. Its client id is the application id."""

    application: EnterpriseApplication
    settings: OpenIdSettings

    def get_client_id(self) -> str:
        """Returns the client id."""
        return self.application.app_id

    def get_default_redirect_uri(self) -> None:
        """Returns none: an application always names where it wants its answer."""
        return

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Returns what is known of the scopes asked for, others are passed over; None without openid: no sign-in."""
        wanted = (scope or "").split()
        if SCOPES[0] not in wanted:
            return None
        return " ".join(each for each in SCOPES if each in wanted)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether the application has registered this very address."""
        return redirect_uri in self.settings.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether this is one of its secrets."""
        given = hash_token(client_secret)
        return any(hmac.compare_digest(given, each.secret_hash) for each in self.settings.secrets)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether it may show who it is like this: a program that keeps a secret never goes without."""
        return endpoint == "token" and (method == "none") == self.settings.is_public

    def check_response_type(self, response_type: str) -> bool:
        """Whether an answer of this kind may be asked for."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether a token may be asked for like this."""
        return grant_type == "authorization_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code that was presented, taken from the store by it."""

    code_hash: str
    grant: OpenIdGrant
    # Claims about the person, by the application's settings.
    claims: dict[str, Any]

    @property
    def code_challenge(self) -> str | None:
        """What the verifier must fit."""
        return self.grant.code_challenge

    @property
    def code_challenge_method(self) -> str:
        """How it must: there is no other method here."""
        return "S256"

    def get_redirect_uri(self) -> str:
        """Returns where the code was sent to."""
        return self.grant.redirect_uri

    def get_scope(self) -> str:
        """Returns what was granted."""
        return self.grant.scope

    def get_nonce(self) -> str | None:
        """Returns what the application wants to see again in the token."""
        return self.grant.nonce

    def get_auth_time(self) -> int:
        """Returns when the person showed who they are."""
        return int(self.grant.authenticated_at.timestamp())

    def get_acr(self) -> None:
        """Returns none: levels of assurance are not agreed on."""
        return

    def get_amr(self) -> list[str]:
        """Returns how they showed it (RFC 8176)."""
        return list(self.grant.methods)
