"""What one SCIM service is: its resource types, switches, limits and own rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.repository import Document
from muster.scim.resources import ResourceType

SiteRule = Callable[[str, Document, Document | None], Document]
"""(type name, next document, present document or None on creation) -> the document to store, perhaps completed.
Raises ScimError to refuse. Runs after the schema's own checks on POST, PUT and PATCH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """`strict` refuses what the RFC does not know instead of tolerating it; `delete_deactivates` makes DELETE of a
    user set `active` to false and keep it. `cursor_key` seals the cursors: one secret for all processes
    of a service."""

    name: str
    resource_types: tuple[ResourceType, ...]
    strict: bool = False
    delete_deactivates: bool = False
    limits: Limits = DEFAULT_LIMITS
    rule: SiteRule | None = None
    bulk: bool = True
    documentation_uri: str | None = None
    cursor_key: bytes = b""
