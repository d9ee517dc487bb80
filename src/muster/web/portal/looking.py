"""Looks at everybody that take longer than a page may: they go on beside it, and it asks how far they are.

What a change would do is decided for each person, some seconds at 100,000. Whoever waits keeps no thread of the server,
sees the number grow, and begins anew with each change: the look before it ends at once, as does one nobody asks about.
What was found is kept for a while, so that its numbers lead to whom they count.
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import flask

from muster.administration.refusals import Refused
from muster.ports.engine_room import Told
from muster.web.portal.paths import desk
from muster.web.portal.shelves import Shelf, find_shelf

# So long a page waits before it is told that the look goes on.
PATIENCE_SECONDS = 0.1
_UNASKED_SECONDS = 10.0
# So long what was found is kept after somebody asked last: whoever reads on needs a while for a page of it.
_KEPT_SECONDS = 600.0
# At most so much is kept: some 65 MB each, where everybody of 100,000 is affected.
_KEPT = 3


class _LeftError(Exception):
    """Nobody waits any more."""


class Look:
    """One look at everybody, in a thread of its own."""

    def __init__(self, make: Callable[[Told], Any], show: Callable[[Any, str], str]) -> None:
        self.name = secrets.token_urlsafe(12)
        self.count = 0
        self.asked_at = time.monotonic()
        self.show = show
        self.is_left = False
        self._make = make
        self._found: Any = None
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="look")
        self._before: Look | None = None

    def begin(self, before: "Look | None") -> None:
        """Begins once the look before it has ended."""
        self._before = before
        self._thread.start()

    def is_done(self, patience_seconds: float) -> bool:
        """Whether it ends within so long."""
        self.asked_at = time.monotonic()
        self._thread.join(patience_seconds)
        return not self._thread.is_alive()

    @property
    def found(self) -> Any:
        """What it has found; None: nothing, or nothing yet."""
        return self._found

    def answer(self) -> str:
        """Returns the part of the page that shows what was found, or that the look was ended.

        Raises: what it has met.
        """
        if isinstance(self._fault, _LeftError):
            return flask.render_template("looking.html", look=None)
        if self._fault is not None and not isinstance(self._fault, Refused):
            raise self._fault
        return self.show(self._found if self._fault is None else self._fault, self.name)

    def _run(self) -> None:
        try:
            if self._before is not None:
                self._before._thread.join()
                self._before = None
            self._found = self._make(self._told)
        except BaseException as fault:
            self._fault = fault

    def _told(self, count: int) -> None:
        self.count = count
        if self.is_left or time.monotonic() - self.asked_at > _UNASKED_SECONDS:
            raise _LeftError


class Looks:
    """The looks of this process, one a caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Look] = {}

    def begin(self, who: str, make: Callable[[Told], Any], show: Callable[[Any, str], str]) -> Look:
        """Returns a look that goes on; the one before it of the same caller ends."""
        made = Look(make, show)
        with self._lock:
            self._forget()
            before = self._of.get(who)
            if before is not None:
                before.is_left = True
            self._of[who] = made
            # Under the lock: whoever finds it waits for a thread that has been started.
            made.begin(before)
        return made

    def find(self, who: str, name: str) -> Look | None:
        """Returns a caller's look; None: it was left, or another process had it."""
        with self._lock:
            self._forget()
            found = self._of.get(who)
        return found if found is not None and found.name == name else None

    def _forget(self) -> None:
        now = time.monotonic()
        full = sorted((look.asked_at for look in self._of.values() if look.found is not None), reverse=True)
        eldest = full[_KEPT - 1] if len(full) > _KEPT else 0.0
        self._of = {
            each: look
            for each, look in self._of.items()
            if now - look.asked_at < _KEPT_SECONDS and (look.found is None or look.asked_at >= eldest)
        }


_LOOKS = Looks()


def look_at_everybody(found: Shelf, make: Callable[[Told], Any], show: Callable[[Any, str], str]) -> str:
    """Returns the part of a page that shows what was found, or how far the look is and where to ask again.

    Args:
        make: looks; it is told how, after so many objects, it says so.
        show: shows what was found, or the refusal (`Refused`), in the request that asks for it; it is told the look's
            name too.
    """
    return _answer(found, _LOOKS.begin(desk().caller.id, make, show), PATIENCE_SECONDS)


def find_look(name: str) -> Look | None:
    """Returns a look of the caller; None: it was left, or is kept no longer."""
    return _LOOKS.find(desk().caller.id, name)


def show_look(sp: str, name: str) -> str:
    """GET /applications/<sp>/looking/<name>: how far a look is, or what it has found."""
    found = find_shelf(sp)
    look = find_look(name)
    return flask.render_template("looking.html", look=None) if look is None else _answer(found, look, 0)


def _answer(found: Shelf, look: Look, patience_seconds: float) -> str:
    if look.is_done(patience_seconds):
        return look.answer()
    return flask.render_template("looking.html", look=look, to=found.to("looking", look.name))
