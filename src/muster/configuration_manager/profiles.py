"""What a customer's SCIM endpoint is: the 8x8 service as its documents describe it, or a full SCIM 2.0 provider."""

from collections.abc import Callable

from muster.configuration_manager.account_schema import USER_TYPES
from muster.configuration_manager.accounts import check_account, complete_account
from muster.configuration_manager.customer import Customer, Profile
from muster.scim.errors import Forbidden, InvalidValue, MutabilityViolation
from muster.scim.profile import ServerProfile
from muster.scim.repository import Document
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, ResourceType
from muster.scim.schemas import USER_8X8_URN

GENERIC_TYPES = (GENERIC_USER_TYPE, GROUP_TYPE)

IsSite = Callable[[str], bool]
IsAdministrator = Callable[[str], bool]


def _nobody(_: str) -> bool:
    return False


def make_profile(
    customer: Customer,
    is_site: IsSite,
    *,
    is_last_administrator: IsAdministrator = _nobody,
    resource_types: tuple[ResourceType, ...] = GENERIC_TYPES,
    cursor_key: bytes = b"",
) -> ServerProfile:
    """The profile of a customer's endpoint; `is_site` says whether the customer has a site of exactly that name,
    `is_last_administrator` whether a user of that name is the only one who can administrate the console.

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
        check_account(following, present, customer.settings.limits)
        _check_site(following, present, is_site)
        _check_administrator(following, present, is_last_administrator)
        return complete_account(following, present)

    return ServerProfile(
        name=customer.profile.value,
        resource_types=(USER_TYPES[customer.settings.limits],),
        strict=customer.is_strict,
        cursor_key=cursor_key,
        delete_deactivates=True,
        bulk=False,
        rule=check,
    )


def _check_administrator(following: Document, present: Document | None, is_last_administrator: IsAdministrator) -> None:
    """Raises Forbidden when the account of the console's last administrator would end or be renamed."""
    if present is None or present.get("active") is False:
        return
    name = str(present.get("userName"))
    if following.get("active") is not False and following.get("userName") == name:
        return
    if is_last_administrator(name):
        raise Forbidden(
            f"{name!r} is the last administrator of the console and can neither be deactivated nor renamed. Give the "
            "role to another administrator first."
        )


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
