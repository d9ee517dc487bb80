"""An OpenID Connect provider over HTTP that can be told to lie."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

Claims = dict[str, Any]
CLIENT_ID, CLIENT_SECRET = "muster-client", "hush/hush:+ %8811"
ACCESS = "access-token-5577"


class Provider:
    """Signs in whoever is `claims`; each lie is a change of what an honest one does."""

    def __init__(self, root: str, now: Callable[[], int]) -> None:
        self.root = root
        self.now = now
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)
        self.published = [self.key]
        self.claims: Claims = {"preferred_username": "ada@example.com"}
        self.userinfo: Claims = {}
        self.configuration: Claims = {}
        self.change: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        # Answers in place of the true ones, by path: status, headers, body.
        self.instead: dict[str, tuple[str, list[tuple[str, str]], bytes]] = {}
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    # ------------------------------------------------------------ what a browser sees

    def authorize(self, address: str) -> dict[str, str]:
        """Returns what the browser comes back with from this address."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    # ------------------------------------------------------------ tokens

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key, algorithms=["RS256"])

    def by_secret(self, claims: Claims, secret: str = CLIENT_SECRET) -> str:
        key = OctKey.import_key(secret)
        return jwt.encode({"alg": "HS256", "kid": "k1"}, claims, key, algorithms=["HS256"])

    def by_stranger(self, claims: Claims) -> str:
        key = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key, algorithms=["RS256"])

    def unsigned(self, claims: Claims) -> str:
        parts = (json.dumps({"alg": "none", "kid": "k1"}), json.dumps(claims))
        return ".".join((*(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts), ""))

    def _token(self, form: dict[str, str], basic: str | None) -> tuple[str, Claims]:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return "400 Bad Request", {"error": "invalid_grant", "error_description": "secret details"}
        assert create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
        assert basic is not None or form["client_secret"] == CLIENT_SECRET
        claims = {
            "iss": self.root,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "iat": self.now(),
            "exp": self.now() + 300,
            "auth_time": self.now() - 30,
            "nonce": asked["nonce"],
            "at_hash": create_half_hash(ACCESS, "RS256").decode(),
            **self.claims,
        }
        token = self.sign(self.change(claims))
        return "200 OK", {"access_token": ACCESS, "token_type": "Bearer", "id_token": token}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        status, document = "200 OK", {}
        if path in self.instead:
            status, headers, body = self.instead[path]
            start_response(status, headers)
            return [body]
        if path == "/.well-known/openid-configuration":
            document = {
                "issuer": self.root,
                "authorization_endpoint": f"{self.root}/authorize?tenant=a%20b",
                "token_endpoint": f"{self.root}/token",
                "jwks_uri": f"{self.root}/keys",
                "userinfo_endpoint": f"{self.root}/userinfo",
                **self.configuration,
            }
        elif path == "/keys":
            document = {"keys": [key.as_dict(private=False) for key in self.published]}
        elif path == "/token":
            size = int(environ["CONTENT_LENGTH"])
            form = {name: values[0] for name, values in parse_qs(environ["wsgi.input"].read(size).decode()).items()}
            status, document = self._token(form, environ.get("HTTP_AUTHORIZATION"))
        elif path == "/userinfo" and environ.get("HTTP_AUTHORIZATION") == f"Bearer {ACCESS}":
            document = {"sub": "248289761001", **self.userinfo}
        else:
            status = "404 Not Found"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(document).encode()]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (inherited)
        pass


@contextmanager
def served_at_port(make: Callable[[str], Any]) -> Iterator[Any]:
    """What `make` returns for its own address, served there by HTTP on a free port."""
    held: list[Any] = []
    with make_server("127.0.0.1", 0, lambda e, s: held[0](e, s), handler_class=_Quiet) as server:
        made, application = make(f"http://127.0.0.1:{server.server_port}")
        held.append(application)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()
