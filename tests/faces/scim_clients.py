"""SCIM clients of `/scim/v2`, with a token each."""

import io
from typing import Any

import orjson

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Client:
    """A SCIM client with a token."""

    def __init__(self, site: Any, token: str) -> None:
        self.site = site
        self._token = token

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
        body = b"" if document is None else orjson.dumps(document)
        address, _, query = path.partition("?")
        given: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/scim/v2{address}",
            "QUERY_STRING": query,
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "HTTP_HOST": "muster.example",
            "wsgi.url_scheme": "https",
            "CONTENT_TYPE": "application/scim+json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }
        answered = b"".join(self.site(environ, lambda status, *_: given.append(status)))
        return int(given[0][:3]), orjson.loads(answered) if answered else None

    def make(self, user_name: str, **more: Any) -> Any:
        status, made = self.ask("POST", "/Users", {"schemas": [USER], "userName": user_name, **more})
        assert status == 201, made
        return made

    def patch(self, path: str, *operations: Any) -> tuple[int, Any]:
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def find(self, kind: str, wanted: str) -> list[Any]:
        status, found = self.ask("GET", f"/{kind}?filter={wanted}")
        assert status == 200, found
        return list(found["Resources"])
