"""Resource types: a core schema with its extensions under one endpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    name: str
