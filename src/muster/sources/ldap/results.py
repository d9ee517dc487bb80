"""How requests end: result codes, and what they mean for a read.

Source: RFC 4511 appendix A; RFC 4533 §2.
"""

from collections.abc import Sequence

from muster.model.failures import CredentialsRefused, JobFailure, SchemaRefused, SystemUnreachable
from muster.sources.ldap.messages import Result

REMEDY = "Check the server's address and encryption, and that it can be reached from here; then test the connection."
BIND_REMEDY = "Check the bind DN and its password; then test the connection."
SUCCESS, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT = 0, 3, 4, 11
# Everything that could be had was given, but not all that there is.
CUT_SHORT = frozenset({TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT})
UNAVAILABLE_CONTROL = 12
SYNC_REFRESH_REQUIRED = 4096
# operationsError, protocolError, unwillingToPerform: what a domain controller answers to a cookie that another one, or
# another version of it, made. Source: Microsoft, “Polling for Changes Using the DirSync Control”.
COOKIE_REFUSED = frozenset({1, 2, 53})
# Source: Microsoft, bind error codes in the diagnostic message ("data 52e").
_ACTIVE_DIRECTORY_SAYS = {
    "data 525": "the account does not exist",
    "data 52e": "the password is wrong",
    "data 530": "the account may not sign in at this time",
    "data 531": "the account may not sign in from this machine",
    "data 532": "the password has expired",
    "data 533": "the account is disabled",
    "data 701": "the account has expired",
    "data 773": "the password must be changed first",
    "data 775": "the account is locked",
}
_NAMES = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    4096: "e-syncRefreshRequired",
}


def failure_of(origin: str, result: Result, what: str) -> JobFailure:
    """Returns what a result other than success means for a read of something."""
    said = f" ({name_of(result.code)}{f': {result.said[:300]}' if result.said else ''})"
    match result.code:
        case 32 | 34 | 48 | 49 | 50 | 53 if what == "bind":
            reason = next((text for mark, text in _ACTIVE_DIRECTORY_SAYS.items() if mark in result.said), "")
            sentence = f"{origin} does not accept the bind{f': {reason}' if reason else ''}{said}."
            return CredentialsRefused(sentence, remedy=BIND_REMEDY)
        case 8 | 13:
            remedy = "Choose StartTLS, or an address that begins with ldaps://."
            return SystemUnreachable(f"{origin} wants an encrypted connection{said}.", remedy=remedy)
        case 49 | 48 | 50 | 1 if result.code != 1 or "bind" in result.said.lower():
            remedy = "Check that the bind DN may read what is asked for."
            return CredentialsRefused(f"{origin} does not let {what} be read{said}.", remedy=remedy)
        case 32 | 34 | 10:
            remedy = "Correct the base DN: it must be an entry that this server holds."
            return SchemaRefused(f"{origin} cannot find {what}{said}.", remedy=remedy)
        case 2 | 18 | 17 | 21 | 87:
            remedy = "Correct the filter and the base."
            return SchemaRefused(f"{origin} cannot search {what}{said}.", remedy=remedy)
        case _:
            return SystemUnreachable(f"{origin} ended the read of {what}{said}.", remedy=REMEDY)


def cut_sentence(origin: str, result: Result, base: str) -> str:
    """Returns why a search that ended early did."""
    return (
        f"{origin} gave only a part of {base} ({name_of(result.code)}): raise its limits for the bind DN, "
        "or narrow the base or the filter."
    )


def referral_sentence(origin: str, urls: Sequence[str], base: str) -> str:
    """Returns why a search that refers to another server proves nobody's absence."""
    other = f" ({urls[0][:200]})" if urls else ""
    return (
        f"{origin} refers to another server{other} for a part of {base}, which is not read: nobody is removed. "
        "Narrow the base, or keep the referral from the bind DN."
    )


def name_of(code: int) -> str:
    """Returns the name of a result code."""
    return _NAMES.get(code, f"result {code}")
