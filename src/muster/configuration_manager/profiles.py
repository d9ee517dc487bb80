"""What a customer's SCIM endpoint is: the 8x8 service as its documents describe it, or a full SCIM 2.0 provider."""

from collections.abc import Callable

from muster.configuration_manager.customers import Customer, Profile
from muster.scim.errors import InvalidValue, MutabilityViolation
from muster.scim.profile import ServerProfile
from muster.scim.repository import Document
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE
from muster.scim.schemas import USER_8X8_URN

IsSite = Callable[[str], bool]


def make_profile(customer: Customer, is_site: IsSite) -> ServerProfile:
    """The profile of a customer's endpoint; `is_site` says whether the customer has a site of exactly that name."""
    if customer.profile is Profile.GENERIC:
        return ServerProfile(
            name=customer.profile.value,
            resource_types=(GENERIC_USER_TYPE, GROUP_TYPE),
            strict=customer.is_strict,
        )

    def check(_: str, following: Document, present: Document | None) -> Document:
        return _check_site(following, present, is_site)

    return ServerProfile(
        name=customer.profile.value,
        resource_types=(USER_8X8_TYPE,),
        strict=customer.is_strict,
        delete_deactivates=True,
        rule=check,
    )


def _check_site(following: Document, present: Document | None, is_site: IsSite) -> Document:
    """The document, if its site exists and is not another than before. Raises: InvalidValue, MutabilityViolation.

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
    return following


def _site_of(document: Document) -> str | None:
    extension = document.get(USER_8X8_URN) or {}
    site: str | None = extension.get("site")
    return site
