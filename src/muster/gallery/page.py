"""A page of the gallery, and how it is read from its JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import orjson

from muster.gallery.schema import form_schema
from muster.model.application import AppRole
from muster.model.connection import ConnectionField
from muster.model.credentials import AuthenticationType
from muster.model.durations import read_duration
from muster.scim.dialect import Dialect, read_dialect


class PageInvalid(ValueError):
    """A page that cannot be used; the sentence names the page and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something known about an application, and where it is said."""

    name: str
    value: str
    source: str


class Protocol(StrEnum):
    """How an application takes accounts."""

    SCIM = "scim2"
    # An interface of the application's own.
    PROPRIETARY = "proprietary"


class Authentication(StrEnum):
    """What an application asks for to let us in."""

    BEARER = "bearer"
    BASIC = "basic"
    USERNAME_AND_TOKEN = "username_and_token"  # noqa: S105  the name of a kind, no secret
    OAUTH_CLIENT_CREDENTIALS = "oauth2_client_credentials"
    OAUTH_AUTHORIZATION_CODE = "oauth2_authorization_code"


class Removal(StrEnum):
    """What becomes of a user who is taken away."""

    DEACTIVATE = "deactivate"
    DELETE = "delete"
    # The tutorial says no more than that users are removed.
    REMOVE = "remove"


class Origin(StrEnum):
    """Where a default mapping comes from."""

    # The application's own documentation, or the tutorial, says so.
    DOCUMENTED = "documented"
    # Only the target attribute is documented; the source is the one that is usual for it.
    DERIVED = "derived"


# The kind of login that goes with what an application asks for. A token in a password's place is a password to us.
_LOGINS: Mapping[Authentication, AuthenticationType] = {
    Authentication.BEARER: AuthenticationType.BEARER,
    Authentication.BASIC: AuthenticationType.BASIC,
    Authentication.USERNAME_AND_TOKEN: AuthenticationType.BASIC,
    Authentication.OAUTH_CLIENT_CREDENTIALS: AuthenticationType.CLIENT_CREDENTIALS,
    Authentication.OAUTH_AUTHORIZATION_CODE: AuthenticationType.AUTHORIZATION_CODE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What provisioning does in the application; None: nobody says."""

    create_users: bool | None = None
    update_users: bool | None = None
    remove_users: Removal | None = None
    provision_groups: bool | None = None


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
    # Empty: nobody says.
    single_sign_on_modes: tuple[str, ...]
    protocol: Protocol
    authentication: Authentication
    capabilities: Capabilities
    dialect: Dialect
    facts: tuple[Fact, ...]
    # False: not an application to add, but a source that writes into our own directory.
    is_application: bool
    # Compact rules, see gallery.schema.
    rules: Mapping[str, Any]
    # Of a source: what it asks for to be reached. Empty: an application, or the import of single files.
    connection: tuple[ConnectionField, ...] = ()
    # How often it is asked for news, unless its job says otherwise (setting ReadEvery).
    read_every: timedelta = timedelta(minutes=1)

    @property
    def is_source(self) -> bool:
        """Whether it is a source system that admins add, each with a job that carries it into our directory."""
        return bool(self.connection)

    @property
    def is_managed(self) -> bool:
        """Whether admins add, set up and remove it: not the import of single files, which every installation has."""
        return self.is_application or self.is_source

    @property
    def supports_provisioning(self) -> bool:
        """Whether a synchronization job can be made: the product speaks the application's protocol."""
        return self.protocol is Protocol.SCIM

    @property
    def sign_on_modes(self) -> tuple[str, ...]:
        """The ways in which people sign in to it through us; empty: none."""
        return tuple(mode for mode in self.single_sign_on_modes if mode != "notSupported")

    @property
    def authentication_type(self) -> AuthenticationType:
        """What is presented to the application unless other credentials are entered."""
        return _LOGINS[self.authentication]

    @property
    def why_not_provisioned(self) -> str | None:
        """The sentence that says what is missing for a job, and what to do instead; None: nothing is."""
        if self.supports_provisioning:
            return None
        return f"{self.display_name} has no SCIM interface; it can be used for sign-on and assignments only."

    def origin_of(self, source_object: str, target_attribute: str) -> Origin | None:
        """Returns where the default mapping of a target attribute comes from; None: it has no default mapping."""
        for item in self.rules["objects"]:
            if item["source"] == source_object:
                for attribute in item["attributes"]:
                    if attribute["name"] == target_attribute and "expression" in attribute:
                        return Origin(attribute.get("origin", self.rules.get("origin", Origin.DOCUMENTED)))
        return None

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
            protocol=Protocol(document.get("protocol", Protocol.SCIM)),
            authentication=Authentication(document.get("authentication", Authentication.BEARER)),
            capabilities=_capabilities(document.get("capabilities", {})),
            dialect=read_dialect(document["dialect"]),
            facts=_facts(document["facts"]),
            is_application=document.get("isApplication", True),
            rules=document["rules"],
            connection=tuple(_connection_field(item) for item in document.get("connection", ())),
            read_every=read_duration(document.get("readEvery", "PT1M")),
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


def _connection_field(item: Mapping[str, Any]) -> ConnectionField:
    return ConnectionField(
        name=item["name"],
        label=item["label"],
        required=item.get("required", False),
        is_secret=item.get("secret", False),
        hint=item.get("hint", ""),
        default=item.get("default"),
        choices=tuple(item.get("choices", ())),
        multiline=item.get("multiline", False),
    )


def _capabilities(item: Mapping[str, Any]) -> Capabilities:
    removal = item.get("removeUsers")
    return Capabilities(
        create_users=item.get("createUsers"),
        update_users=item.get("updateUsers"),
        remove_users=None if removal is None else Removal(removal),
        provision_groups=item.get("provisionGroups"),
    )


def _facts(items: Sequence[Mapping[str, str]]) -> tuple[Fact, ...]:
    return tuple(Fact(name=item["name"], value=item["value"], source=item["source"]) for item in items)
