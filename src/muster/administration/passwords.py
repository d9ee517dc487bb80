"""What an administrator does to how people sign in: passwords, links to set one, sessions, second factors."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.administration import people
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, not_found
from muster.administration.signing_in import check_new_password
from muster.model.directory import DirectoryObject
from muster.model.roles import Permission
from muster.sealing import hash_password, hash_token, make_token

LINK_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInState:
    """How a person can sign in, as administrators see it."""

    has_password: bool
    must_change: bool
    changed_at: datetime | None
    second_factor_since: datetime | None
    recovery_codes_left: int


def sign_in_state(desk: Desk, name: str) -> SignInState:
    """Returns how a person can sign in. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    person = people.find_user(desk, name)
    kept = desk.stores.credentials.get(person.object_id)
    factor = desk.stores.second_factors.get(person.object_id)
    return SignInState(
        has_password=kept is not None and kept.password_hash is not None,
        must_change=kept is not None and kept.must_change,
        changed_at=None if kept is None else kept.changed_at,
        second_factor_since=None if factor is None else factor.confirmed_at,
        recovery_codes_left=0 if factor is None else factor.codes_left,
    )


def set_password(desk: Desk, name: str, password: str, *, must_change: bool = True) -> None:
    """Gives a person a password; their sessions end. `must_change`: they choose another at once. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    check_new_password(person.attributes, password)
    desk.stores.credentials.set_password(
        person.object_id, hash_password(password), must_change=must_change, at=desk.now(), stamp=make_token("")
    )
    changes = (("mustChangePassword", None, str(must_change)),)
    desk.note("Reset user password", people.CATEGORY, target=_target(person), changes=changes)


def require_change(desk: Desk, name: str, *, must_change: bool) -> None:
    """Says whether a person has to choose another password at the next sign-in. Raises: Refused without a password."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    kept = desk.stores.credentials.get(person.object_id)
    if kept is None or kept.password_hash is None:
        raise bad_request(f"{person.display_name} has no password: give one in passwordProfile.password.")
    if kept.must_change == must_change:
        return
    desk.stores.credentials.set_password(
        person.object_id, kept.password_hash, must_change=must_change, at=desk.now(), stamp=make_token("")
    )
    changes = (("mustChangePassword", str(kept.must_change), str(must_change)),)
    desk.note("Reset user password", people.CATEGORY, target=_target(person), changes=changes)


def remove_password(desk: Desk, name: str) -> None:
    """Takes a person's password away; their sessions end. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    desk.stores.credentials.set_password(person.object_id, None, must_change=False, at=desk.now(), stamp=make_token(""))
    desk.note("Remove user password", people.CATEGORY, target=_target(person))


def forget(desk: Desk, name: str) -> None:
    """Takes password and second factor from somebody who may be another person now. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    kept = desk.stores.credentials.get(person.object_id)
    if kept is not None and kept.password_hash is not None:
        remove_password(desk, person.object_id)
    if desk.stores.second_factors.remove(person.object_id):
        desk.note("Remove second factor", people.CATEGORY, target=_target(person))


def create_link(desk: Desk, name: str) -> tuple[str, datetime]:
    """Returns the token of a link with which the person sets a password, once, and until when. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    if person.attributes.get("accountEnabled") is False:
        raise bad_request(f"{person.display_name} is blocked from signing in: enable the account first.")
    token, expires_at = make_token(""), desk.now() + LINK_LIFETIME
    desk.stores.credentials.set_link(person.object_id, hash_token(token), expires_at)
    changes = (("expires", None, f"{expires_at:%Y-%m-%dT%H:%M:%SZ}"),)
    desk.note("Create password link", people.CATEGORY, target=_target(person), changes=changes)
    return token, expires_at


def end_sessions(desk: Desk, name: str) -> None:
    """Signs a person out wherever they are signed in. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    desk.stores.credentials.set_stamp(person.object_id, make_token(""))
    desk.note("Revoke sign in sessions", people.CATEGORY, target=_target(person))


def remove_second_factor(desk: Desk, name: str) -> None:
    """Removes a person's authenticator app, who lost it; their sessions end. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    person = people.find_user(desk, name)
    if not desk.stores.second_factors.remove(person.object_id):
        raise not_found("The second factor of", person.display_name)
    desk.stores.credentials.set_stamp(person.object_id, make_token(""))
    desk.note("Remove second factor", people.CATEGORY, target=_target(person))


def _target(person: DirectoryObject) -> tuple[str, str, str]:
    return ("User", person.object_id, person.display_name)
