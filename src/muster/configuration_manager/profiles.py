"""What a customer's SCIM endpoint is: the 8x8 service as its documents describe it, or a full SCIM 2.0 provider."""

from collections.abc import Callable

from muster.configuration_manager.customers import Customer, Profile
from muster.scim.errors import InvalidValue, MutabilityViolation
from muster.scim.profile import ServerProfile
from muster.scim.repository import Document
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType
from muster.scim.schemas import USER_8X8_URN

GENERIC_TYPES = (GENERIC_USER_TYPE, GROUP_TYPE)
DEFAULT_EMAIL = "noreply@8x8.com"
MANDATORY_NAMES = {"givenName": "first name", "familyName": "last name"}

IsSite = Callable[[str], bool]


def make_profile(
    customer: Customer,
    is_site: IsSite,
    *,
    resource_types: tuple[ResourceType, ...] = GENERIC_TYPES,
    cursor_key: bytes = b"",
) -> ServerProfile:
    """The profile of a customer's endpoint; `is_site` says whether the customer has a site of exactly that name.

    `resource_types` are those of the generic profile; what 8x8 takes is not the operator's to change.
    """
    if customer.profile is Profile.GENERIC:
        return ServerProfile(
            name=customer.profile.value,
            resource_types=resource_types,
            strict=customer.is_strict,
            cursor_key=cursor_key,
        )

    def check(_: str, following: Document, present: Document | None) -> Document:
        _check_name(following)
        _check_site(following, present, is_site)
        return following if present is not None else _with_defaults(following)

    return ServerProfile(
        name=customer.profile.value,
        resource_types=(USER_8X8_TYPE,),
        strict=customer.is_strict,
        cursor_key=cursor_key,
        delete_deactivates=True,
        bulk=False,
        rule=check,
    )


def _check_name(following: Document) -> None:
    """Raises InvalidValue without a first or last name. Source: 8x8, "User provisioning with SCIM API", mandatory."""
    name = following.get("name") or {}
    for attribute, shown in MANDATORY_NAMES.items():
        if not str(name.get(attribute) or "").strip():
            raise InvalidValue(f"name.{attribute}: must not be blank. Every user needs a {shown}: send one.")


def _with_defaults(following: Document) -> Document:
    """The new user with what 8x8 fills in. Source: 8x8, "User provisioning with SCIM API": e-mail, status."""
    completed = {**following}
    completed.setdefault("active", True)
    if not completed.get("emails"):
        completed["emails"] = [{"value": DEFAULT_EMAIL, "type": "work", "primary": True}]
    return completed


def _check_site(following: Document, present: Document | None, is_site: IsSite) -> None:
    """Raises InvalidValue for a site that does not exist, MutabilityViolation for another than before.

    Source: 8x8, "User provisioning attribute mappings" and "Known limitations": a site must exist in the console under
    exactly this name, and cannot be changed once set.
    """
    site = _site_of(following)
    before = None if present is None else _site_of(present)
    if before is not None and site != before:
        raise MutabilityViolation(
            f"site: it is {before!r} and cannot be changed once set. Send no other site for this user; "
            "an administrator moves users between sites in the console."
        )
    if site is not None and site != before and not is_site(site):
        raise InvalidValue(
            f"site: there is no site named {site!r}. Add it in the console or correct the name; letter case counts."
        )


def _site_of(document: Document) -> str | None:
    extension = document.get(USER_8X8_URN) or {}
    site: str | None = extension.get("site")
    return site
