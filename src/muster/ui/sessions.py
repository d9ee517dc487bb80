"""Sessions of signed-in people, known to the browser by a secret that is exchanged often; only its hash is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol, Self

from muster.ui.notes import Notes, OwnNotes

IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)
ROTATED_AFTER = timedelta(minutes=15)
# Requests that were under way with the old secret while it was exchanged.
GRACE = timedelta(seconds=30)
# That somebody acted is noted so often at most: where sessions are shared it is a write.
SEEN_EVERY = timedelta(minutes=1)
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody's session. `stamp` is what must not change while it lasts: a hash over the password's hash."""

    name: str
    stamp: str
    csrf_token: str
    began_at: datetime
    seen_at: datetime
    rotated_at: datetime
    # How the person has shown who they are (RFC 8176).
    methods: tuple[str, ...] = ()
    # When they showed it, if that was before the session began: at another provider.
    shown_at: datetime | None = None
    # Set once another secret has taken this one's place.
    ends_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended by idleness, age or exchange."""
        return (
            now - self.seen_at >= IDLE
            or now - self.began_at >= LONGEST
            or (self.ends_at is not None and now >= self.ends_at)
        )

    def is_exchanged_as(self, other: Self) -> bool:
        """Whether its secret has been exchanged since no more than the other's: two requests saw the same state."""
        return (self.rotated_at, self.ends_at) == (other.rotated_at, other.ends_at)


class SessionShelf(Protocol):
    """Where the sessions of a face stand, by the hashes of their secrets."""

    def get(self, key: str) -> Session | None:
        """Returns a session."""
        ...

    def add(self, key: str, session: Session) -> None:
        """Keeps a new session."""
        ...

    def change(self, key: str, session: Session, *, was: Session, also: tuple[str, Session] | None = None) -> bool:
        """Changes a session that is still there as it `was`, and adds another with it; returns whether it was so.

        One that was ended meanwhile does not come back, and one that was exchanged meanwhile ends when it was to.
        """
        ...

    def end(self, csrf_token: str) -> None:
        """Drops a session under every key that it has had."""
        ...

    def drop_before(self, began_at: datetime) -> None:
        """Drops sessions that began before an instant."""
        ...


class OwnShelf:
    """Sessions of this process: a new start signs everybody out."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def get(self, key: str) -> Session | None:
        """Returns a session."""
        return self._sessions.get(key)

    def add(self, key: str, session: Session) -> None:
        """Keeps a new session."""
        with self._lock:
            self._sessions[key] = session

    def change(self, key: str, session: Session, *, was: Session, also: tuple[str, Session] | None = None) -> bool:
        """Changes a session that is still there as it `was`, and adds another with it; returns whether it was so."""
        with self._lock:
            kept = self._sessions.get(key)
            if kept is None or not kept.is_exchanged_as(was):
                return False
            self._sessions.update([(key, session), *([also] if also else [])])
            return True

    def end(self, csrf_token: str) -> None:
        """Drops a session under every key that it has had."""
        with self._lock:
            self._sessions = {
                key: each
                for key, each in self._sessions.items()
                if not hmac.compare_digest(each.csrf_token, csrf_token)
            }

    def drop_before(self, began_at: datetime) -> None:
        """Drops sessions that began before an instant."""
        with self._lock:
            self._sessions = {key: each for key, each in self._sessions.items() if each.began_at >= began_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMemory:
    """What faces keep of browsers: by face its sessions and its notes, and the keys of what browsers carry, sealed.

    `keys` as they are by now: the first seals, what any of them has sealed is taken.
    """

    shelf_of: Callable[[str], SessionShelf]
    notes_of: Callable[[str], Notes]
    keys: Callable[[], Sequence[bytes]]


def own_memory() -> FaceMemory:
    """Returns the memory of a process that shares none."""
    keys = (secrets.token_bytes(_SECRET_BYTES),)
    return FaceMemory(shelf_of=lambda _: OwnShelf(), notes_of=lambda _: OwnNotes(), keys=lambda: keys)


class Sessions:
    """The sessions of one face."""

    def __init__(self, shelf: SessionShelf) -> None:
        self._shelf = shelf

    def begin(
        self,
        name: str,
        stamp: str,
        now: datetime,
        methods: Sequence[str] = (),
        shown_at: datetime | None = None,
    ) -> str:
        """Returns the secret of a new session."""
        session = Session(
            name=name,
            stamp=stamp,
            csrf_token=secrets.token_urlsafe(_SECRET_BYTES),
            began_at=now,
            seen_at=now,
            rotated_at=now,
            methods=tuple(methods),
            shown_at=shown_at,
        )
        self._shelf.drop_before(now - LONGEST)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._shelf.add(_hashed(secret), session)
        return secret

    def find(self, secret: str, now: datetime, *, is_seen: bool) -> Session | None:
        """Returns the session; `is_seen`: somebody acted (a page that refreshes itself keeps nobody signed in)."""
        key = _hashed(secret)
        session = self._shelf.get(key)
        if session is None or session.is_over(now):
            return None
        if is_seen and now - session.seen_at >= SEEN_EVERY:
            seen = replace(session, seen_at=now)
            if self._shelf.change(key, seen, was=session):
                return seen
            # Another request was first: it ended the session, or exchanged its secret, which has its moment's grace.
            session = self._shelf.get(key)
        return None if session is None or session.is_over(now) else session

    def rotate(self, secret: str, now: datetime) -> str | None:
        """Returns a new secret for the session if its turn has come; the old one ends after a moment's grace."""
        key = _hashed(secret)
        session = self._shelf.get(key)
        if session is None or session.ends_at is not None or now - session.rotated_at < ROTATED_AFTER:
            return None
        fresh = secrets.token_urlsafe(_SECRET_BYTES)
        also = _hashed(fresh), replace(session, rotated_at=now)
        ending = replace(session, ends_at=now + GRACE)
        return fresh if self._shelf.change(key, ending, was=session, also=also) else None

    def end(self, secret: str) -> None:
        """Ends the session under every secret it has had."""
        session = self._shelf.get(_hashed(secret))
        if session is not None:
            self._shelf.end(session.csrf_token)


def stamp_of(password_hash: str) -> str:
    """Returns what a session remembers of a password's hash: another password ends it."""
    return hashlib.sha256(password_hash.encode()).hexdigest()


def is_same(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode(), wanted.encode())


class FormSeal:
    """Seals the forms of people who have no session yet: a cookie and its seal in the form must fit."""

    def __init__(self, keys: Callable[[], Sequence[bytes]], purpose: str) -> None:
        """`keys`: the first seals, all fit; `purpose`: what is sealed for another one fits nowhere else."""
        self._keys = keys
        self._purpose = purpose.encode()

    def new_cookie(self) -> str:
        """Returns a cookie's value."""
        return secrets.token_urlsafe(_SECRET_BYTES)

    def seal(self, cookie: str) -> str:
        """Returns what the form carries."""
        return self._seals(cookie)[0]

    def fits(self, cookie: str, sealed: str) -> bool:
        """Whether the form came with the cookie that it was made for."""
        return bool(cookie) and any(is_same(each, sealed) for each in self._seals(cookie))

    def _seals(self, cookie: str) -> list[str]:
        return [hmac.new(key + self._purpose, cookie.encode(), hashlib.sha256).hexdigest() for key in self._keys()]


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
