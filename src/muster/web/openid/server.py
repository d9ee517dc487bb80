"""The authorization server: the library's, over our store. One instance a face; what it needs is looked up anew."""

from datetime import timedelta
from typing import Any

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

from muster.administration.my_apps import is_assigned
from muster.administration.openid import signing_key
from muster.administration.openid_claims import claims_of
from muster.administration.signing_in import find_person, session_stamp
from muster.model.directory import DirectoryObject
from muster.model.openid import OpenIdGrant
from muster.model.sign_in import SignInCode
from muster.sealing import hash_token, make_token
from muster.ui.sessions import is_same
from muster.web.openid.client import Client, Code
from muster.web.persons import Persons, SignedIn
from muster.web.services import Services

CODE_LIFETIME = timedelta(minutes=1)
TOKEN_LIFETIME = timedelta(hours=1)
ALGORITHM = "RS256"
TEXT_CHARACTERS = 512


class Provider:
    """What the grants ask of the house."""

    def __init__(self, services: Services, persons: Persons) -> None:
        self.services = services
        self.persons = persons
        self.reception = persons.reception
        self.store = services.stores.openid

    def issuer(self) -> str:
        """Returns the issuer, at the address that the request came to."""
        return f"{self.services.root(flask.request.environ)}/oidc"

    def find_client(self, client_id: str) -> Client | None:
        """Returns the application of a client id, if people may be signed in to it by OpenID Connect."""
        application = self.services.stores.applications.get(client_id)
        if application is None or application.app_id != client_id:
            return None
        settings = self.store.settings(application.service_principal_id)
        if settings is None or not settings.is_complete:
            return None
        return Client(application=application, settings=settings)

    def find_granted(self, grant: OpenIdGrant) -> tuple[Client, DirectoryObject] | None:
        """Returns application and person of a grant, as long as both may: assigned, enabled, still signed in."""
        application = self.services.stores.applications.get(grant.service_principal_id)
        client = None if application is None else self.find_client(application.app_id)
        person = find_person(self.reception, grant.person_id)
        if client is None or person is None or not client.application.is_enabled:
            return None
        if not is_same(session_stamp(self.reception, person.object_id), grant.stamp):
            return None
        return (client, person) if is_assigned(self.reception, person, grant.service_principal_id) else None

    def record(self, code: SignInCode, client: Client, person: DirectoryObject | None, **more: Any) -> None:
        """Writes an entry of the sign-in log for an application."""
        named = (client.application.service_principal_id, client.application.display_name)
        self.persons.record(flask.request.environ, code, person=person, application=named, **more)


class _Challenge(CodeChallenge):  # type: ignore[misc]  # the library has no types
    """PKCE with S256 alone; who keeps no secret cannot go without."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Checks the challenge of an authorization request. Raises: InvalidRequestError."""
        super().validate_code_challenge(grant, redirect_uri)
        data = grant.request.payload.data
        unknown = next((name for name in ("request", "request_uri") if data.get(name)), None)
        if unknown is not None:
            raise InvalidRequestError(f"'{unknown}' is not supported: send the parameters themselves")
        if data.get("response_mode") not in (None, "", "query"):
            raise InvalidRequestError("'response_mode' must be query")
        if data.get("code_challenge") and data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("'code_challenge_method' must be S256")
        settings = grant.request.client.settings
        if (settings.is_public or settings.requires_pkce) and not data.get("code_challenge"):
            raise InvalidRequestError("Missing 'code_challenge'")


class _Tokens(OpenIDCode):  # type: ignore[misc]  # likewise
    """Identity tokens."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=False)
        self._provider = provider

    def exists_nonce(self, nonce: str, _request: Any) -> bool:
        """Whether a nonce cannot be taken. That one is used once is for the application to see to (Core §15.5.2)."""
        if len(nonce) > TEXT_CHARACTERS:
            raise InvalidRequestError(f"'nonce' has at most {TEXT_CHARACTERS} characters")
        return False

    def get_client_algorithm(self, _client: Client) -> str:
        """Returns how tokens are signed."""
        return ALGORITHM

    def get_encode_header(self, _client: Client) -> dict[str, str]:
        """Returns the token's header."""
        return {"alg": ALGORITHM, "typ": "JWT", "kid": self._key().key_id}

    def resolve_client_private_key(self, _client: Client) -> RSAKey:
        """Returns the key that signs."""
        key = self._key()
        return RSAKey.import_key(key.private_pem, {"kid": key.key_id, "use": "sig", "alg": ALGORITHM})

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        """Returns what a token says of itself."""
        now = int(self._provider.reception.now().timestamp())
        return {
            "iss": self._provider.issuer(),
            "aud": client.get_client_id(),
            "iat": now,
            "exp": now + int(TOKEN_LIFETIME.total_seconds()),
        }

    def generate_user_info(self, user: Code, _scope: str) -> dict[str, Any]:
        """Returns the claims about the person."""
        return user.claims

    def _key(self) -> Any:
        # One key for header and signature of this answer.
        if "openid_key" not in flask.g:
            reception = self._provider.reception
            flask.g.openid_key = signing_key(reception.stores, reception.ids, reception.now())
        return flask.g.openid_key


def make_server(app: flask.Flask, provider: Provider) -> AuthorizationServer:
    """Returns the authorization server of a face."""

    class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # likewise
        """Authorization codes over our store."""

        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

        def generate_authorization_code(self) -> str:
            return make_token("")

        def save_authorization_code(self, code: str, request: Any) -> None:
            me: SignedIn = request.user
            data = request.payload.data
            grant = OpenIdGrant(
                service_principal_id=request.client.application.service_principal_id,
                person_id=me.person.object_id,
                redirect_uri=request.payload.redirect_uri,
                scope=request.scope,
                authenticated_at=me.since,
                stamp=me.session.stamp,
                nonce=data.get("nonce"),
                code_challenge=data.get("code_challenge"),
                methods=me.methods,
            )
            provider.store.add_code(hash_token(code), grant, provider.reception.now() + CODE_LIFETIME)

        def query_authorization_code(self, code: str, client: Client) -> Code | None:
            code_hash = hash_token(code)
            grant = provider.store.take_code(code_hash, provider.reception.now())
            # A code of another application is used up, too: it is in wrong hands.
            is_theirs = grant is not None and grant.service_principal_id == client.application.service_principal_id
            granted = provider.find_granted(grant) if grant is not None and is_theirs else None
            if grant is None or granted is None:
                provider.record(SignInCode.CODE_WRONG, client, None, details="The code is unknown, over or used.")
                return None
            claims = claims_of(
                provider.reception,
                client.application,
                client.settings,
                granted[1],
                grant.scope,
                provider.services.tenant_id,
            )
            return Code(code_hash=code_hash, grant=grant, claims=claims)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            """Nothing: it was used up when it was taken; its row stays to know it by when it comes again."""

        def authenticate_user(self, authorization_code: Code) -> Code:
            return authorization_code

    def save_token(token: dict[str, Any], request: Any) -> None:
        code: Code = request.authorization_code
        ends = provider.reception.now() + TOKEN_LIFETIME
        if not provider.store.add_token(code.code_hash, hash_token(token["access_token"]), ends):
            raise InvalidRequestError("The code was presented twice.")

    app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = lambda *_args, **_more: make_token("muster_a_")
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": int(TOKEN_LIFETIME.total_seconds())}
    server = AuthorizationServer(app, query_client=provider.find_client, save_token=save_token)
    server.register_grant(CodeGrant, [_Tokens(provider), _Challenge(required=True)])
    return server
