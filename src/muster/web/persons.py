"""Who of the directory is signed in to a request: the one answer for My Apps and every kind of single sign-on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Request, Response

from muster.administration.signing_in import Reception, Visitor, begin_stamp, find_person, record, session_stamp
from muster.model.directory import DirectoryObject
from muster.model.sign_in import SignIn, SignInCode
from muster.ui.guarding import Guard
from muster.ui.sessions import Session, is_same
from muster.web.access import Budget
from muster.web.services import Services

COOKIE = "muster_person"
SIGN_IN = "/signin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person of the directory with a session."""

    person: DirectoryObject
    session: Session

    @property
    def since(self) -> datetime:
        """When they showed who they are (`auth_time`, AuthnInstant)."""
        return self.session.shown_at or self.session.began_at

    @property
    def methods(self) -> tuple[str, ...]:
        """How they showed it (SignInMethod)."""
        return self.session.methods


class Persons:
    """The sessions of people; one is made for all faces that ask."""

    def __init__(self, services: Services) -> None:
        self.reception = Reception(stores=services.stores, clock=services.clock, ids=services.ids)
        self.public_url = services.public_url
        # Attempts that are braked are many when somebody guesses: so many of them are logged.
        self._locked_logged = Budget(30, timedelta(minutes=1))
        # Lax: an application sends people here by a link or a redirect.
        self.guard = Guard(COOKIE, services.faces, same_site="Lax", public_url=self.public_url)
        self._leaving: list[Callable[[SignedIn], str | None]] = []

    def who(self, environ: Mapping[str, Any], *, is_seen: bool = True) -> SignedIn | None:
        """Returns who is signed in to a request (its WSGI environment), None for nobody.

        Looked up anew each time: whoever was blocked, deleted or given another password is signed out at once.
        """
        session = self.guard.find(Request(dict(environ)), self.reception.now(), is_seen=is_seen)
        if session is None:
            return None
        person = find_person(self.reception, session.name)
        if person is None or not is_same(session_stamp(self.reception, session.name), session.stamp):
            return None
        return SignedIn(person=person, session=session)

    def sign_in_address(self, next_path: str, *, is_fresh: bool = False) -> str:
        """Returns where to send somebody who has to sign in first; `next_path` is where they come back to.

        `is_fresh`: whoever has a session at another provider shall show who they are there, too.
        """
        return f"{SIGN_IN}?next={quote(next_path, safe='')}{'&fresh=1' if is_fresh else ''}"

    def admit(
        self,
        response: Response,
        person: DirectoryObject,
        methods: Sequence[str],
        shown_at: datetime | None = None,
    ) -> Response:
        """Begins a person's session with this response to a Flask request."""
        stamp = begin_stamp(self.reception, person.object_id)
        return self.guard.admit(response, person.object_id, stamp, self.reception.now(), methods, shown_at)

    def on_leaving(self, told: Callable[[SignedIn], str | None]) -> None:
        """Has a face told of who signs out; it returns where the browser goes first, to end sessions elsewhere."""
        self._leaving.append(told)

    def way_out(self, me: SignedIn) -> str | None:
        """Returns where the browser of somebody who signs out goes first; None: there is nothing to end elsewhere."""
        return next((to for told in self._leaving if (to := told(me)) is not None), None)

    def record(
        self,
        environ: Mapping[str, Any],
        code: SignInCode,
        *,
        person: DirectoryObject | None,
        name: str = "",
        application: tuple[str, str] | None = None,
        methods: Sequence[str] = (),
        details: str = "",
    ) -> SignIn | None:
        """Returns the entry that the sign-in log got for a request; see `administration.signing_in.record`.

        None: of what is refused for being too much, not every attempt is logged.
        """
        if code is SignInCode.LOCKED and self._locked_logged.take("", self.reception.now()) is not None:
            return None
        visitor = Visitor(
            address=str(environ.get("REMOTE_ADDR") or ""), client=str(environ.get("HTTP_USER_AGENT") or "")
        )
        return record(
            self.reception,
            code,
            visitor,
            person=person,
            name=name,
            application=application,
            methods=methods,
            details=details,
        )
