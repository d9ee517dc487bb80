"""The SCIM service provider: answers a request value over a repository.

Source: RFC 7644.
"""

from __future__ import annotations

from muster.scim.messages import ScimRequest, ScimResponse
from muster.scim.profile import ServerProfile
from muster.scim.repository import (
    Document,
    MembersChange,
    Repository,
    ResourcePage,
    ResourceQuery,
    StoredResource,
    Transform,
)

__all__ = [
    "Document",
    "MembersChange",
    "Repository",
    "ResourcePage",
    "ResourceQuery",
    "ScimRequest",
    "ScimResponse",
    "ScimServer",
    "ServerProfile",
    "StoredResource",
    "Transform",
]


class ScimServer:
    def __init__(self, profile: ServerProfile, repository: Repository) -> None:
        self._profile = profile
        self._repository = repository

    def answer(self, request: ScimRequest) -> ScimResponse:
        raise NotImplementedError(request.path)
