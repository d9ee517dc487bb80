"""At the door: who calls, how much they may send, and JSON that cannot hurt."""

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import orjson

from muster.administration.desk import Stores
from muster.administration.refusals import RefusalKind, Refused, bad_request
from muster.model.durations import has_passed
from muster.model.roles import OWNER_PERMISSIONS, Caller, CallerKind
from muster.sealing import hash_token

TOKEN_CHARACTERS = 4_096
JSON_BYTES = 8 * 1024 * 1024
JSON_DEPTH = 64
_BURST_SECONDS = 10
_CALLERS = 10_000


class Unauthenticated(Exception):
    """The call bears no valid token; the sentence says what is missing."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def authenticate(stores: Stores, authorization: str | None, at: datetime) -> Caller:
    """Returns the caller that a bearer token stands for. Raises: Unauthenticated."""
    if not authorization:
        raise Unauthenticated("Access token is empty: send the header Authorization: Bearer <token>.")
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARACTERS:
        raise Unauthenticated("The Authorization header must be: Bearer <token>.")
    known = stores.access.token(hash_token(token), at)
    if known is None:
        raise Unauthenticated("Access token validation failure: the token is unknown, expired or revoked.")
    caller = Caller(
        id=known.client_id or known.id,
        display_name=known.name,
        roles=known.roles,
        kind=CallerKind.TOKEN if known.client_id is None else CallerKind.APPLICATION,
    )
    return with_ownership(stores, caller)


def with_ownership(stores: Stores, caller: Caller) -> Caller:
    """Returns the caller with the applications they own, if these could give them any right they have not."""
    if all(caller.may(permission) for permission in OWNER_PERMISSIONS):
        return caller
    return replace(caller, owned=stores.owners.owned_by(caller.id))


def read_json(body: bytes) -> Any:
    """Returns the value of a JSON body. Raises: Refused for bodies that are no JSON, too large or too deep."""
    if len(body) > JSON_BYTES:
        raise too_large(JSON_BYTES)
    # No text of ours holds it, and PostgreSQL refuses it.
    if b"\\u0000" in body:
        raise bad_request("The JSON request payload holds the control character U+0000.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(
            f"Unable to read JSON request payload: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    _check_depth(value)
    return value


def too_large(limit_bytes: int) -> Refused:
    """Returns the refusal of a body that is longer than allowed."""
    return Refused(
        RefusalKind.TOO_LARGE,
        "RequestEntityTooLarge",
        f"The request body is larger than {limit_bytes // 1024} KiB, which is the most this call takes.",
    )


class RateLimit:
    """A token bucket a caller: so many calls a second in the long run, ten seconds' worth at once; 0: no limit."""

    def __init__(self, calls_a_second: float) -> None:
        self.calls_a_second = calls_a_second
        self._room = calls_a_second * _BURST_SECONDS
        # What is left, and when it was counted.
        self._left: dict[str, tuple[float, datetime]] = {}
        self._lock = Lock()

    def take(self, key: str, now: datetime) -> timedelta | None:
        """Takes a call; returns None, or how long to wait if there is none left."""
        if not self.calls_a_second:
            return None
        with self._lock:
            left, at = self._left.get(key, (self._room, now))
            left = min(self._room, left + max(0.0, (now - at).total_seconds()) * self.calls_a_second)
            if left < 1:
                self._left[key] = (left, now)
                return timedelta(seconds=max(1.0, (1 - left) / self.calls_a_second))
            if len(self._left) >= _CALLERS:
                # Callers have tokens of ours, so many of them are old ones.
                self._left.clear()
            self._left[key] = (left - 1, now)
            return None


class Budget:
    """So many calls in a span of time, counted a key; held in this process."""

    def __init__(self, calls: int, span: timedelta) -> None:
        self._calls = calls
        self._span = span
        self._taken: dict[str, deque[datetime]] = {}
        self._lock = Lock()

    def take(self, key: str, now: datetime) -> timedelta | None:
        """Takes one call of the budget; returns None, or how long to wait if it is used up."""
        with self._lock:
            taken = self._taken.setdefault(key, deque())
            while taken and has_passed(self._span, taken[0], now):
                taken.popleft()
            if len(taken) >= self._calls:
                return taken[0] + self._span - now
            taken.append(now)
            return None


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise bad_request(f"The JSON request payload is nested deeper than {JSON_DEPTH} levels.")
