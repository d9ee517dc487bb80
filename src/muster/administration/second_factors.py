"""Second factors: an authenticator app with codes of thirty seconds, and recovery codes for the day it is lost.

Source: RFC 6238 (SHA-1, six digits, 30 seconds: what every app takes), §5.2 (a code is taken once).
"""

import base64
import hmac
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from muster.administration.desk import Desk, Stores
from muster.administration.refusals import not_found
from muster.model.roles import Permission
from muster.model.sign_in import SignInMethod
from muster.sealing import hash_token

ISSUER = "Muster"
STEP_SECONDS = 30
DIGITS = 6
_SECRET_BYTES = 20
# A clock may be off by one step either way.
_STEPS = (0, -1, 1)
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10


def is_required(stores: Stores, holder_id: str) -> bool:
    """Whether the holder signs in with a second factor."""
    found = stores.second_factors.get(holder_id)
    return found is not None and found.confirmed_at is not None


def begin(stores: Stores, holder_id: str) -> str:
    """Returns the secret of a new second factor, which asks nothing until a code confirms it. Raises: ValueError."""
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    stores.second_factors.begin(holder_id, secret)
    return secret


def unconfirmed(stores: Stores, holder_id: str) -> str | None:
    """Returns the secret that waits for its first code."""
    found = stores.second_factors.get(holder_id)
    return found.secret if found is not None and found.confirmed_at is None else None


def address_of(secret: str, account: str) -> str:
    """Returns the `otpauth:` address that apps read from a QR code."""
    return _codes(secret).get_provisioning_uri(account, ISSUER)


def confirm(stores: Stores, holder_id: str, code: str, at: datetime) -> tuple[str, ...] | None:
    """Returns the recovery codes, shown this once; None if the code does not fit."""
    found = stores.second_factors.get(holder_id)
    step = None if found is None else _step_of(found.secret, code, at)
    if found is None or step is None:
        return None
    given = _recovery_codes()
    is_done = stores.second_factors.confirm(holder_id, step, [hash_token(_bare(each)) for each in given], at)
    return given if is_done else None


def check(stores: Stores, holder_id: str, code: str, at: datetime) -> SignInMethod | None:
    """Returns how somebody has shown the second factor, which uses the code up; None if it does not fit."""
    found = stores.second_factors.get(holder_id)
    if found is None or found.confirmed_at is None:
        return None
    bare = _bare(code)
    if len(bare) != DIGITS:
        is_used = stores.second_factors.use_recovery_code(holder_id, hash_token(bare))
        return SignInMethod.RECOVERY_CODE if is_used else None
    step = _step_of(found.secret, bare, at)
    if step is None or not stores.second_factors.use_step(holder_id, step):
        return None
    return SignInMethod.ONE_TIME_CODE


def renew_recovery_codes(stores: Stores, holder_id: str) -> tuple[str, ...]:
    """Returns new recovery codes, shown this once; those before are void."""
    given = _recovery_codes()
    stores.second_factors.renew_recovery_codes(holder_id, [hash_token(_bare(each)) for each in given])
    return given


def remove_of_administrator(desk: Desk, name: str) -> None:
    """Removes the authenticator app of an administrator, who lost it. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    found = next((each for each in desk.stores.access.administrators() if name in (each.id, each.display_name)), None)
    if found is None:
        raise not_found("Administrator", name)
    if not desk.stores.second_factors.remove(found.id):
        raise not_found("The second factor of", found.display_name)
    target = ("Administrator", found.id, found.display_name)
    desk.note("Remove second factor", "RoleManagement", target=target)


def _step_of(secret: str | None, code: str, at: datetime) -> int | None:
    """The step whose code this is, among those that may be now; all are looked at, so that time tells nothing."""
    if secret is None:
        return None
    now = int(at.timestamp()) // STEP_SECONDS
    codes = _codes(secret)
    given = _bare(code).encode()
    fitting = [
        now + shift for shift in _STEPS if hmac.compare_digest(codes.generate((now + shift) * STEP_SECONDS), given)
    ]
    return fitting[0] if fitting else None


def _codes(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS, enforce_key_length=False)  # noqa: S303  the apps know no other (RFC 6238)


def _recovery_codes() -> tuple[str, ...]:
    texts = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES))
    return tuple("-".join(text[start : start + 4] for start in range(0, len(text), 4)) for text in texts)


def _bare(code: str) -> str:
    return "".join(each for each in code.upper() if each.isalnum() and each.isascii())[:40]
