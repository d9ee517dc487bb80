"""How one application's SCIM differs from the standard, as plain data of its gallery page.

The default is a strict RFC 7644 client. Microsoft Entra's two ways of writing PATCH are forms of their own, for
applications that were built against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any


class UpdateMethod(StrEnum):
    """How the application takes changes."""

    PATCH = "patch"
    # Read, merge, write whole: for applications without PATCH.
    PUT = "put"


class PatchForm(StrEnum):
    """How a PATCH body is written."""

    # One operation a path, operations in lower case, JSON booleans, members removed by value path.
    STANDARD = "standard"
    # What Entra sends with the flag aadOptscim062020: plain replacements merged into one without path, dotted keys.
    ENTRA_2020 = "aadOptscim062020"
    # What Entra sends without it: capitals, "False" as text, members removed by a value list.
    ENTRA_LEGACY = "entraLegacy"


# Flags that a Tenant URL may carry, and the form each asks for.
ADDRESS_FLAGS: Mapping[str, PatchForm] = {
    "aadOptscim062020": PatchForm.ENTRA_2020,
    "AzureAdScimPatch062020": PatchForm.ENTRA_2020,
    "AzureAdScimPatch2017": PatchForm.ENTRA_LEGACY,
}


class DialectInvalid(ValueError):
    """A dialect document that cannot be used; the sentence names the field and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An application's quirks. Kinds are the names of SCIM resource types, `User` and `Group`."""

    update: UpdateMethod = UpdateMethod.PATCH
    patch_form: PatchForm = PatchForm.STANDARD
    # "True" and "False" as texts in every body.
    booleans_as_text: bool = False
    # The enterprise manager as a bare text instead of {"value": id}.
    manager_as_text: bool = False
    # A new account's work e-mail is marked as its primary one.
    primary_work_email: bool = True
    media_type: str = "application/scim+json"
    paths: Mapping[str, str] = field(default_factory=lambda: {"User": "/Users", "Group": "/Groups"})
    # Attributes that may stand in a filter, by kind; a kind that is not here: any.
    filterable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # False: the application cannot list everybody, each object is looked up.
    can_list: bool = True
    page_size: int = 100
    # False: the application takes no excludedAttributes, so that groups come with their members.
    excludes_members: bool = True
    # False: accounts cannot be deleted at the application, only switched off.
    can_delete: bool = True
    members_per_request: int = 100
    # True: several writes go in one request (/Bulk), where the application's ServiceProviderConfig offers that too.
    bulk: bool = False
    operations_per_request: int = 100
    concurrency: int = 8
    # None: no limit known; a 429 is obeyed all the same.
    requests_per_second: float | None = None

    def may_filter(self, kind: str, attribute: str) -> bool:
        """Whether an attribute may stand in a filter, as far as is known."""
        known = self.filterable.get(kind)
        return known is None or attribute in known

    def with_flags(self, flags: frozenset[str]) -> Dialect:
        """Returns the dialect that the flags of a Tenant URL ask for."""
        for flag, form in ADDRESS_FLAGS.items():
            if flag in flags:
                return replace(self, patch_form=form, manager_as_text=True)
        return self

    def to_document(self) -> dict[str, object]:
        """Returns the dialect as JSON values, every field named."""
        document: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        document |= {"update": self.update.value, "patch_form": self.patch_form.value, "paths": dict(self.paths)}
        document["filterable"] = {kind: list(names) for kind, names in self.filterable.items()}
        return document


ENTRA = Dialect(patch_form=PatchForm.ENTRA_2020, manager_as_text=True)
ENTRA_LEGACY = Dialect(patch_form=PatchForm.ENTRA_LEGACY, manager_as_text=True)

_FLAGS = (
    "booleans_as_text",
    "manager_as_text",
    "primary_work_email",
    "can_list",
    "excludes_members",
    "can_delete",
    "bulk",
)
_COUNTS = ("page_size", "members_per_request", "operations_per_request", "concurrency")
_COUNT_LIMIT = 100_000


def read_dialect(document: Mapping[str, Any]) -> Dialect:
    """Returns the dialect a document describes; what it leaves out is standard.

    Raises: DialectInvalid, naming the field.
    """
    unknown = sorted(set(document) - {item.name for item in fields(Dialect)})
    if unknown:
        raise DialectInvalid(f"The dialect has the unknown field {unknown[0]}.")
    values: dict[str, Any] = {}
    for name, value in document.items():
        values[name] = _read_field(name, value)
    return Dialect(**values)


def overlay(base: Dialect, overrides: Mapping[str, Any]) -> Dialect:
    """Returns the dialect with the fields that somebody has set otherwise. Raises: DialectInvalid, naming the field."""
    given = read_dialect(overrides)
    return replace(base, **{name: getattr(given, name) for name in overrides})


def _read_field(name: str, value: Any) -> object:
    if name in _FLAGS:
        return _checked(name, value, isinstance(value, bool), "true or false")
    if name in _COUNTS:
        fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _COUNT_LIMIT
        return _checked(name, value, fits, f"a whole number from 1 to {_COUNT_LIMIT}")
    match name:
        case "update":
            return UpdateMethod(_one_of(name, value, [item.value for item in UpdateMethod]))
        case "patch_form":
            return PatchForm(_one_of(name, value, [item.value for item in PatchForm]))
        case "requests_per_second":
            fits = value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)
            return _checked(name, value, fits, "a number above 0, or null")
        case "paths":
            return dict(_checked(name, value, _is_paths(value), "an object from kind to a path that begins with /"))
        case "filterable":
            names = _checked(name, value, _is_names(value), "an object from kind to a list of attribute names")
            return {kind: tuple(attributes) for kind, attributes in names.items()}
        case _:
            return _checked(name, value, isinstance(value, str) and "/" in value, "a media type")


def _checked(name: str, value: Any, fits: bool, wanted: str) -> Any:
    if not fits:
        raise DialectInvalid(f"The dialect's {name} must be {wanted}.")
    return value


def _one_of(name: str, value: Any, choices: list[str]) -> str:
    return str(_checked(name, value, value in choices, f"one of {', '.join(choices)}"))


def _is_paths(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(path, str) and path.startswith("/") for path in value.values())


def _is_names(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) for names in value.values()
    )
