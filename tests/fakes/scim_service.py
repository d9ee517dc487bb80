"""A SCIM service in this process: a server over a repository in memory, and a caller that speaks JSON to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from fakes.scim_repository import MemoryRepository
from muster.scim.errors import Unauthorized, unauthorized_body
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.messages import MEDIA_TYPE, ScimRequest, ScimResponse
from muster.scim.profile import ServerProfile, SiteRule
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE
from muster.scim.schemas import GROUP_URN, USER_URN
from muster.scim.server import ScimServer

BASE_URL = "https://scim.example/scim/v2"
TOKEN = "the-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response with its body read as JSON; `json` is None when there is no body."""

    status: int
    headers: Mapping[str, str]
    json: Any
    body: bytes

    @property
    def scim_type(self) -> str | None:
        return self.json.get("scimType") if isinstance(self.json, dict) else None


def generic_profile(
    *,
    strict: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    rule: SiteRule | None = None,
    bulk: bool = True,
    documentation_uri: str | None = None,
) -> ServerProfile:
    return ServerProfile(
        name="generic",
        resource_types=(GENERIC_USER_TYPE, GROUP_TYPE),
        strict=strict,
        limits=limits,
        rule=rule,
        bulk=bulk,
        documentation_uri=documentation_uri,
    )


def profile_8x8(*, rule: SiteRule | None = None) -> ServerProfile:
    return ServerProfile(name="8x8", resource_types=(USER_8X8_TYPE,), delete_deactivates=True, rule=rule, bulk=False)


class ScimService:
    """Sends requests to a server of its own, in the form a client would write them."""

    def __init__(self, profile: ServerProfile | None = None) -> None:
        self.profile = profile or generic_profile()
        self.repository = MemoryRepository(self.profile.resource_types)
        self.server = ScimServer(self.profile, self.repository)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request; the query of `path` is percent-encoded as on the wire."""
        where, _, query = path.partition("?")
        content = raw if raw is not None else b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        if content:
            lowered.setdefault("content-type", MEDIA_TYPE)
        return read_answer(
            self.server.answer(
                ScimRequest(
                    method=method,
                    path=unquote(where),
                    query=dict(parse_qsl(query, keep_blank_values=True)),
                    headers=lowered,
                    body=content,
                    base_url=BASE_URL,
                )
            )
        )

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        """The same as a transport: status, headers in lower case, body; checks the token as a face would."""
        if headers.get("authorization") != f"Bearer {TOKEN}":
            refused = {name.lower(): value for name, value in Unauthorized("").headers().items()}
            return 401, {"content-type": MEDIA_TYPE, **refused}, unauthorized_body()
        answer = self.ask(method, path, raw=body or b"", headers=headers)
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body

    def make_user(self, user_name: str = "ada", /, **attributes: Any) -> str:
        """The id of a new user."""
        answer = self.ask("POST", "/Users", {"schemas": [USER_URN], "userName": user_name, **attributes})
        assert answer.status == 201, answer.json
        return str(answer.json["id"])

    def make_group(self, name: str = "Crew", members: list[str] | None = None) -> str:
        """The id of a new group."""
        body: dict[str, Any] = {"schemas": [GROUP_URN], "displayName": name}
        if members:
            body["members"] = [{"value": member} for member in members]
        answer = self.ask("POST", "/Groups", body)
        assert answer.status == 201, answer.json
        return str(answer.json["id"])


def read_answer(response: ScimResponse) -> Answer:
    """The response with its body parsed."""
    return Answer(
        status=response.status,
        headers=response.headers,
        json=json.loads(response.body) if response.body else None,
        body=response.body,
    )


Send = Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, dict[str, str], bytes]]
