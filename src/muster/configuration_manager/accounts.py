"""What 8x8 takes as an account: mandatory names, sizes, letters, one address, two phones, languages and time zones.

Two measures: lenient (any script, any language tag; what 8x8's SCIM page says) and documented (as well what 8x8's user
API says of the same accounts). Each refusal names the attribute and says what would do, in that API's words.
Source: 8x8, "User provisioning with SCIM API"; 8x8 user API, 2026.
"""

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from muster.configuration_manager.customer import AccountLimits
from muster.scim.errors import InvalidValue
from muster.scim.repository import Document
from muster.scim.schemas import ENTERPRISE_USER_URN

DEFAULT_EMAIL = "noreply@8x8.com"
DEFAULT_LOCALE = "en-US"
MANDATORY_NAMES = {"givenName": "first name", "familyName": "last name"}
LOCALES = re.findall(
    r"\S+",
    "da-DK de-DE en-AU en-GB en-US es-ES fi-FI fr-BE fr-CA fr-CH fr-FR it-IT ja-JP nl-BE nl-NL no-NO pl-PL pt-BR pt-PT "
    "sv-SE zh-CN",
)

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\"\\]+@[^@\s<>()\[\],;:\"\\.]+(\.[^@\s<>()\[\],;:\"\\.]+)*")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]*")
LIMIT_PHONE_CHARACTERS = 64
PHONE_TYPES = ("mobile", "work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a text may be; `least` and `letters` count for the documented measure alone."""

    least: int
    most: int
    letters: re.Pattern[str] | None = None
    allowed: str = ""


_NAME_LETTERS = re.compile(r"[A-Za-z0-9`. ,\-_()']*")
_NAME_ALLOWED = "letters A to Z, digits, space and ` . , - _ ( ) '"

TEXTS: Mapping[str, Text] = {
    "userName": Text(
        least=3,
        most=70,
        letters=re.compile(r"[A-Za-z0-9.@\-_/]*"),
        allowed="letters A to Z, digits and . @ - _ /",
    ),
    "name.givenName": Text(least=2, most=128, letters=_NAME_LETTERS, allowed=_NAME_ALLOWED),
    "name.familyName": Text(least=2, most=30, letters=_NAME_LETTERS, allowed=_NAME_ALLOWED),
    "title": Text(least=1, most=254),
    "department": Text(least=1, most=100),
    "emails.value": Text(least=5, most=128),
}


def check_account(following: Document, present: Document | None, measure: AccountLimits) -> None:
    """Raises InvalidValue for what 8x8 does not take. What an account has already is not held against a change."""
    _check_mandatory(following)
    documented = measure is AccountLimits.DOCUMENTED
    before = {} if present is None else dict(_values(present))
    for path, value in _values(following):
        if before.get(path) != value:
            _check_value(path, value, documented=documented)
    if documented and (present is None or present.get("emails") != following.get("emails")):
        _check_one_email(following)
    if documented and (present is None or present.get("phoneNumbers") != following.get("phoneNumbers")):
        _check_phones(following)


def complete_account(following: Document, present: Document | None) -> Document:
    """The account with what 8x8 fills in or sets itself: status, language, address, and which address and phone is
    primary, whatever was sent of that.

    A status that is not sent stays as it is: nobody comes back, or leaves, by a PUT that says nothing of it.
    """
    completed = {**following}
    completed.setdefault("active", True if present is None else present.get("active", True))
    if not any(each.get("value") for each in completed.get("emails") or ()):
        completed["emails"] = [{"value": DEFAULT_EMAIL, "type": "work", "primary": True}]
    completed.setdefault("locale", DEFAULT_LOCALE)
    if len(completed["emails"]) == 1:
        completed["emails"] = [{**completed["emails"][0], "primary": True}]
    phones = completed.get("phoneNumbers") or ()
    kinds = [str(each.get("type") or "").lower() for each in phones]
    if "mobile" in kinds:
        main = kinds.index("mobile")
        completed["phoneNumbers"] = [{**each, "primary": place == main} for place, each in enumerate(phones)]
    elif "work" in kinds:
        completed["phoneNumbers"] = [
            {**each, "primary": False} if kind == "work" else each for kind, each in zip(kinds, phones, strict=True)
        ]
    return completed


def _check_mandatory(following: Document) -> None:
    name = following.get("name") or {}
    for attribute, shown in MANDATORY_NAMES.items():
        if not str(name.get(attribute) or "").strip():
            raise InvalidValue(f"name.{attribute}: must not be blank. Every user needs a {shown}: send one.")


def _values(document: Document) -> Iterator[tuple[str, Any]]:
    """What is checked, by its path; elements of lists with their position."""
    name = document.get("name") or {}
    yield "userName", document.get("userName")
    yield "name.givenName", name.get("givenName")
    yield "name.familyName", name.get("familyName")
    yield "title", document.get("title")
    yield "department", (document.get(ENTERPRISE_USER_URN) or {}).get("department")
    yield "locale", document.get("locale")
    yield "timezone", document.get("timezone")
    for list_name in ("emails", "phoneNumbers"):
        for position, element in enumerate(document.get(list_name) or ()):
            yield f"{list_name}.value#{position}", element.get("value")


def _check_value(path: str, value: Any, *, documented: bool) -> None:
    if not isinstance(value, str):
        return
    path = path.partition("#")[0]
    rule = TEXTS.get(path)
    if rule is not None:
        least = rule.least if documented else 1
        if not least <= len(value) <= rule.most:
            raise InvalidValue(f"{path}: size must be between {least} and {rule.most}. It has {len(value)} characters.")
        if documented and rule.letters is not None and not rule.letters.fullmatch(value):
            raise InvalidValue(f"{path}: may hold {rule.allowed} only. Send it in those.")
    match path:
        case "emails.value" if not _EMAIL.fullmatch(value):
            raise InvalidValue("emails.value: must be a well-formed email address, such as name@example.com.")
        case "locale":
            _check_locale(value, documented=documented)
        case "timezone" if not _is_zone(value):
            raise InvalidValue("timezone: must be the name of an IANA time zone, such as Europe/London.")
        case "phoneNumbers.value":
            _check_phone(value, documented=documented)


def _check_locale(value: str, *, documented: bool) -> None:
    if documented and value not in LOCALES:
        raise InvalidValue(f"locale: must be one of {', '.join(LOCALES)}.")
    if not _LANGUAGE_TAG.fullmatch(value):
        raise InvalidValue("locale: must be a language tag, such as en-US.")


def _check_phone(value: str, *, documented: bool) -> None:
    if len(value) > LIMIT_PHONE_CHARACTERS or not any(each.isdigit() for each in value):
        raise InvalidValue(
            f"phoneNumbers.value: must be a phone number of at most {LIMIT_PHONE_CHARACTERS} characters, such as "
            "+44 20 7946 0000."
        )
    if documented and not _PHONE.fullmatch(value):
        raise InvalidValue("phoneNumbers.value: may hold digits, space and ( ) . / - only, and + as the first.")


def _check_one_email(following: Document) -> None:
    if len(following.get("emails") or ()) > 1:
        raise InvalidValue("emails: only one address is supported. Send the work address alone.")


def _check_phones(following: Document) -> None:
    kinds = [each.get("type") for each in following.get("phoneNumbers") or ()]
    if len(set(kinds)) < len(kinds) or not set(kinds) <= set(PHONE_TYPES):
        raise InvalidValue("phoneNumbers: one number of type mobile and one of type work are supported.")


def _is_zone(value: str) -> bool:
    zones = _zones()
    # Without the system's list of zones the form alone can be judged.
    return value in zones if zones else _ZONE.fullmatch(value) is not None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
