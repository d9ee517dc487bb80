"""Single logout: one application after the other is told, by redirects; the session here ends first.

Source: SAML profiles §4.4.3. A request needs no signature: it ends the session of its own browser alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import flask
import msgspec

from muster.administration.saml_sign_in import (
    Addresses,
    Relying,
    find_asking,
    find_relying,
    new_id,
    signing_key,
)
from muster.saml.bindings import REQUEST, RESPONSE, redirect_url
from muster.saml.logout import (
    LogoutRequest,
    LogoutResponse,
    read_logout_request,
    read_logout_response,
    write_logout_request,
    write_logout_response,
)
from muster.saml.names import SamlRefused
from muster.ui.frame import message
from muster.ui.language import gettext
from muster.ui.sessions import LONGEST
from muster.web.persons import Persons, SignedIn
from muster.web.services import Services

LASTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """An application that a session has signed in to."""

    service_principal_id: str
    name_id: str
    session_index: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay:
    """A logout that waits for an application's answer: who is left to be told, and where it ends."""

    left: tuple[Participant, ...]
    end: str | None


class Logouts:
    """Which session has signed in where, and logouts under way; known to whichever processes share the sessions."""

    def __init__(self, services: Services, persons: Persons) -> None:
        self._services = services
        self._persons = persons
        self._participants = services.faces.notes_of("saml-participants")
        self._under_way = services.faces.notes_of("saml-logouts")

    def note(self, me: SignedIn, relying: Relying, name_id: str, session_index: str) -> None:
        """Remembers that a session has signed in to an application, which wants to hear of its end."""
        if relying.settings.logout_url is None:
            return
        added = Participant(
            service_principal_id=relying.application.service_principal_id, name_id=name_id, session_index=session_index
        )
        ends_at = me.session.began_at + LONGEST
        note = msgspec.json.encode(added)
        self._participants.add(me.session.csrf_token, note, ends_at, self._services.clock.now())

    def begin(self, content: bytes, relay_state: str | None, addresses: Addresses) -> Any:
        """An application asks: the session ends, the other applications are told, and the first is answered."""
        now = self._services.clock.now()
        request, _ = read_logout_request(content, now=now)
        relying = find_asking(self._services.stores, request.issuer)
        if request.destination not in (None, addresses.logout_url):
            raise SamlRefused("destination", f"The request is meant for {request.destination!r}.")
        me = self._persons.who(flask.request.environ)
        end = self._answer_address(relying, request, relay_state, addresses, now)
        if me is None:
            return self._finish(end)
        left = self._take(me, besides=relying.application.service_principal_id)
        return self._persons.guard.dismiss(flask.make_response(self._tell_next(left, end, addresses, now)))

    def depart(self, me: SignedIn, addresses: Addresses, end: str) -> str | None:
        """Returns where the browser of somebody who signs out here goes first; None: no application is to be told."""
        return self._next_address(self._take(me), end, addresses, self._services.clock.now())

    def go_on(self, content: bytes, addresses: Addresses) -> Any:
        """An application has answered: the next one is told, or the end is reached."""
        now = self._services.clock.now()
        answered = read_logout_response(content)
        notes = self._under_way.take(answered.request_id or "", now)
        if not notes:
            return self._finish(None)
        found = msgspec.json.decode(notes[0], type=_UnderWay)
        return self._tell_next(found.left, found.end, addresses, now)

    def _take(self, me: SignedIn, *, besides: str = "") -> tuple[Participant, ...]:
        notes = self._participants.take(me.session.csrf_token, self._services.clock.now())
        # Each once, in the order of their last sign-ins.
        known = dict.fromkeys(msgspec.json.decode(note, type=Participant) for note in reversed(notes))
        return tuple(each for each in reversed(known) if each.service_principal_id != besides)

    def _tell_next(self, left: tuple[Participant, ...], end: str | None, addresses: Addresses, now: datetime) -> Any:
        address = self._next_address(left, end, addresses, now)
        return self._finish(end) if address is None else flask.redirect(address, 303)

    def _next_address(
        self, left: tuple[Participant, ...], end: str | None, addresses: Addresses, now: datetime
    ) -> str | None:
        """Where the next application that can be told hears of it; None: all of them have."""
        while left:
            participant, left = left[0], left[1:]
            try:
                relying = find_relying(self._services.stores, participant.service_principal_id)
                address = relying.settings.logout_url
                key = signing_key(self._services.stores, relying)
            except SamlRefused:
                continue
            if address is None:
                continue
            request = LogoutRequest(
                id=new_id(),
                issuer=addresses.entity_id,
                issued_at=now,
                destination=address,
                name_id=participant.name_id,
                name_format=relying.settings.name_format.value,
                session_index=participant.session_index,
            )
            note = msgspec.json.encode(_UnderWay(left=left, end=end))
            self._under_way.add(request.id, note, now + LASTS, now)
            return redirect_url(address, REQUEST, write_logout_request(request), key=key)
        return None

    def _answer_address(
        self, relying: Relying, request: LogoutRequest, relay_state: str | None, addresses: Addresses, now: datetime
    ) -> str | None:
        if relying.settings.logout_url is None:
            return None
        response = LogoutResponse(
            id=new_id(),
            issuer=addresses.entity_id,
            issued_at=now,
            destination=relying.settings.logout_url,
            request_id=request.id,
            is_success=True,
        )
        return redirect_url(
            relying.settings.logout_url,
            RESPONSE,
            write_logout_response(response),
            relay_state=relay_state,
            key=signing_key(self._services.stores, relying),
        )

    def _finish(self, end: str | None) -> Any:
        if end is not None:
            return flask.redirect(end, 303)
        return message(200, gettext("You are signed out"), gettext("You can close this window."))
