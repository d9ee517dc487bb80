"""People of the directory sign in: who may, their own password, and the entry that the log gets.

These functions ask no role: whoever signs in has none yet. What they answer a stranger tells nothing of who exists; why
somebody was refused stands in the log alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from muster.administration.desk import Desk, Stores
from muster.administration.refusals import Refused, bad_request
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.password_policy import find_weakness
from muster.model.roles import Caller, Permission
from muster.model.sign_in import SignIn, SignInCode
from muster.model.values import Attributes
from muster.ports.administration import AuditEntry
from muster.ports.sign_ins import PersonCredentials, SignInQuery
from muster.ports.world import Clock, Ids
from muster.sealing import hash_password, hash_token, is_password, is_password_hash_outdated, make_token

CATEGORY = "UserManagement"
NAME_LIMIT = 200
_PAGE = 500
_SCANNED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What signing in needs of the house."""

    stores: Stores
    clock: Clock
    ids: Ids

    def now(self) -> datetime:
        """Returns the instant."""
        return self.clock.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """From where somebody signs in, as the log shows it."""

    address: str = ""
    client: str = ""


def find_person(reception: Reception, person_id: str) -> DirectoryObject | None:
    """Returns a person who may sign in, by object id; None for anybody else."""
    person = reception.stores.directory.get(ObjectKind.USER, person_id)
    return person if person is not None and person.object_id == person_id and may_sign_in(person) else None


def may_sign_in(person: DirectoryObject) -> bool:
    """Whether a person is in the directory and not blocked."""
    return person.lifecycle is Lifecycle.PRESENT and person.attributes.get("accountEnabled") is not False


def check_password(reception: Reception, name: str, password: str) -> tuple[SignInCode, DirectoryObject | None]:
    """Returns what comes of a principal name and a password, and the person if there is one of that name.

    It takes as long for a name that nobody has, for a person without a password and for one who is blocked.
    """
    person = reception.stores.directory.get(ObjectKind.USER, name) if 0 < len(name) <= NAME_LIMIT else None
    # The store finds by object id, too, and that is no name to sign in with.
    if person is not None and str(person.attributes.get("userPrincipalName")).casefold() != name.casefold():
        person = None
    kept = None if person is None else reception.stores.credentials.get(person.object_id)
    stored_hash = None if kept is None else kept.password_hash
    if not is_password(password, stored_hash):
        return (SignInCode.NOBODY if person is None else SignInCode.WRONG_PASSWORD), person
    if person is None or kept is None or stored_hash is None or not may_sign_in(person):
        return SignInCode.BLOCKED, person
    if is_password_hash_outdated(stored_hash):
        reception.stores.credentials.renew_hash(person.object_id, hash_password(password))
    return (SignInCode.PASSWORD_CHANGE_DUE if kept.must_change else SignInCode.SUCCESS), person


def session_stamp(reception: Reception, person_id: str) -> str:
    """Returns what must stay the same while a person's sessions last."""
    kept = reception.stores.credentials.get(person_id)
    return "" if kept is None else kept.stamp


def begin_stamp(reception: Reception, person_id: str) -> str:
    """Returns the stamp for a new session; whoever never had credentials gets one, so that it can be exchanged."""
    stamp = session_stamp(reception, person_id)
    if not stamp:
        stamp = make_token("")
        reception.stores.credentials.set_stamp(person_id, stamp)
    return stamp


def change_password(reception: Reception, person: DirectoryObject, current: str, new: str) -> None:
    """Keeps a person's own choice of a password; their sessions end. Raises: Refused."""
    kept = reception.stores.credentials.get(person.object_id)
    if not is_password(current, None if kept is None else kept.password_hash):
        raise bad_request("The current password is not this one.", code="WrongPassword")
    if current == new:
        raise bad_request("The new password is the old one: choose another.", code="WeakPassword")
    _keep(reception, person, new, "Change user password")


def is_own_password(reception: Reception, person_id: str, password: str) -> bool:
    """Whether this is the person's password; nobody's if they have none."""
    kept = reception.stores.credentials.get(person_id)
    return is_password(password, None if kept is None else kept.password_hash)


def find_link(reception: Reception, token: str) -> DirectoryObject | None:
    """Returns who may set a password with a link, None for one that is unknown, used or over."""
    person_id = reception.stores.credentials.find_link(hash_token(token), reception.now())
    return None if person_id is None else find_person(reception, person_id)


def set_password_by_link(reception: Reception, token: str, new: str) -> DirectoryObject | None:
    """Returns the person whose password was set; None if the link does not work (any more). Raises: Refused."""
    person = find_link(reception, token)
    if person is None:
        return None
    check_new_password(person.attributes, new)
    if reception.stores.credentials.take_link(hash_token(token), reception.now()) is None:
        return None
    _keep(reception, person, new, "Set user password by link")
    return person


def check_new_password(attributes: Attributes, password: str) -> None:
    """Checks that a password will do for a person with these attributes. Raises: Refused."""
    named = ("userPrincipalName", "mail", "displayName", "givenName", "surname", "mailNickname")
    names = [value for name in named if isinstance(value := attributes.get(name), str)]
    weakness = find_weakness(password, names)
    if weakness is not None:
        raise weak(weakness)


def record(
    reception: Reception,
    code: SignInCode,
    visitor: Visitor,
    *,
    person: DirectoryObject | None,
    name: str = "",
    application: tuple[str, str] | None = None,
    methods: Sequence[str] = (),
    details: str = "",
) -> SignIn:
    """Returns the entry that the log of sign-ins got.

    Args:
        person: whose sign-in it is; None if nobody has the `name` that was given.
        application: service principal id and name; None for the directory itself.
        details: what an administrator wants to know beside the reason; never a secret.
    """
    principal_name = name if person is None else str(person.attributes.get("userPrincipalName") or "")
    entry = SignIn(
        id=reception.ids.new_id(),
        at=reception.now(),
        person_id=None if person is None else person.object_id,
        principal_name=_one_line(principal_name, NAME_LIMIT),
        display_name="" if person is None else person.display_name,
        code=code,
        application_id=None if application is None else application[0],
        application_name=None if application is None else application[1],
        details=_one_line(details, 1_000),
        address=_one_line(visitor.address, 100),
        client=_one_line(visitor.client, 300),
        methods=tuple(methods),
    )
    reception.stores.sign_ins.add(entry)
    return entry


def sign_ins(
    desk: Desk, query: SignInQuery, matches: Callable[[SignIn], bool] | None = None
) -> tuple[Sequence[SignIn], str | None]:
    """Returns entries of the sign-in log and the key to go on after; `matches` narrows further. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    if matches is None:
        return desk.stores.sign_ins.search(query)
    found: list[SignIn] = []
    after, scanned = query.after, 0
    while len(found) < query.limit and scanned < _SCANNED:
        step = replace(query, after=after, limit=min(_PAGE, query.limit - len(found)))
        page, after = desk.stores.sign_ins.search(step)
        found.extend(entry for entry in page if matches(entry))
        scanned += len(page)
        if after is None:
            break
    return found, after


def note(reception: Reception, person: DirectoryObject, activity: str) -> None:
    """Writes the audit entry for something that a person did to their own account."""
    reception.stores.audit.add(
        AuditEntry(
            id=reception.ids.new_id(),
            at=reception.now(),
            activity=activity,
            category=CATEGORY,
            by=Caller(id=person.object_id, display_name=person.display_name, roles=frozenset()),
            target_type="User",
            target_id=person.object_id,
            target_name=person.display_name,
        )
    )


def credentials_of(reception: Reception, person_id: str) -> PersonCredentials:
    """Returns a person's credentials; none at all are credentials without a password."""
    return reception.stores.credentials.get(person_id) or PersonCredentials(person_id=person_id)


def _keep(reception: Reception, person: DirectoryObject, password: str, activity: str) -> None:
    check_new_password(person.attributes, password)
    reception.stores.credentials.set_password(
        person.object_id, hash_password(password), must_change=False, at=reception.now(), stamp=make_token("")
    )
    note(reception, person, activity)


def weak(weakness: str) -> Refused:
    """Returns the refusal of a password, in Graph's words and ours."""
    return bad_request(
        f"The specified password does not comply with password complexity requirements. {weakness}",
        details=[("WeakPassword", weakness)],
    )


def _one_line(text: str, limit: int) -> str:
    """A text as a log takes it: cut, and without characters that could pretend to be another line."""
    return "".join(each if each.isprintable() else " " for each in text[:limit])
