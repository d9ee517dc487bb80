"""A page of the gallery, and how it is read from its JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from muster.gallery.schema import form_schema
from muster.model.application import AppRole
from muster.scim.dialect import Dialect, read_dialect


class PageInvalid(ValueError):
    """A page that cannot be used; the sentence names the page and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something known about an application, and where it is said."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryPage:
    """All there is to know about one application: no line of code knows more."""

    # Graph applicationTemplate.id
    id: str
    # Graph synchronizationTemplate.factoryTag: the beginning of its jobs' ids.
    job_template_id: str
    display_name: str
    publisher: str
    description: str
    home_page_url: str | None
    categories: tuple[str, ...]
    app_roles: tuple[AppRole, ...]
    accepts_default_access: bool
    single_sign_on_modes: tuple[str, ...]
    dialect: Dialect
    facts: tuple[Fact, ...]
    # False: not an application to add, but a source that writes into our own directory.
    is_application: bool
    # Compact rules, see gallery.schema.
    rules: Mapping[str, Any]

    def schema_document(self) -> dict[str, Any]:
        """Returns the default rules as a Graph synchronizationSchema; each call gives a document of its own."""
        return form_schema(self.job_template_id, self.rules)


def read_page(content: bytes, name: str) -> GalleryPage:
    """Returns the page that a JSON document describes. Raises: PageInvalid."""
    try:
        document = orjson.loads(content)
        return GalleryPage(
            id=document["id"],
            job_template_id=document["jobTemplateId"],
            display_name=document["displayName"],
            publisher=document["publisher"],
            description=document["description"],
            home_page_url=document.get("homePageUrl"),
            categories=tuple(document["categories"]),
            app_roles=tuple(_role(item) for item in document["appRoles"]),
            accepts_default_access=document["acceptsDefaultAccess"],
            single_sign_on_modes=tuple(document["singleSignOnModes"]),
            dialect=read_dialect(document["dialect"]),
            facts=_facts(document["facts"]),
            is_application=document.get("isApplication", True),
            rules=document["rules"],
        )
    except KeyError as error:
        raise PageInvalid(f"The gallery page {name} has no {error.args[0]}.") from error
    except (TypeError, ValueError) as error:
        raise PageInvalid(f"The gallery page {name} cannot be read: {error}") from error


def _role(item: Mapping[str, Any]) -> AppRole:
    return AppRole(
        id=item["id"],
        display_name=item["displayName"],
        value=item.get("value"),
        description=item.get("description", ""),
        allowed_member_types=tuple(item.get("allowedMemberTypes", ("User",))),
    )


def _facts(items: Sequence[Mapping[str, str]]) -> tuple[Fact, ...]:
    return tuple(Fact(name=item["name"], value=item["value"], source=item["source"]) for item in items)
