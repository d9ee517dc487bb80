"""Single logout: asked of the identity provider when somebody signs out here, and done when it asks.

Source: SAML profiles §4.4; only signed requests end somebody's session.
"""

import secrets
from datetime import datetime
from urllib.parse import parse_qs

from muster.configuration_manager.sign_on import SignOns
from muster.configuration_manager.sign_on_flow import PersonSession, SignOnFlow
from muster.saml.bindings import RELAY_STATE, REQUEST, RESPONSE, check_relay_state, read_redirect, redirect_url
from muster.saml.logout import (
    LogoutRequest,
    LogoutResponse,
    read_logout_request,
    read_logout_response,
    write_logout_request,
    write_logout_response,
)
from muster.saml.names import SamlRefused
from muster.saml.signatures import verify_query


def ask_logout(sign_ons: SignOns, flow: SignOnFlow, person: PersonSession, *, now: datetime) -> str | None:
    """Where the browser goes so that the session at the identity provider ends too; None if it has no such address."""
    settings = sign_ons.of_customer(person.customer_key)
    if settings is None or settings.logout_url is None:
        return None
    request = LogoutRequest(
        id=f"_{secrets.token_hex(16)}",
        issuer=flow.addresses.entity_id,
        issued_at=now,
        destination=settings.logout_url,
        name_id=person.name_id,
        name_format=person.name_format,
        session_index=person.session_index,
    )
    return redirect_url(settings.logout_url, REQUEST, write_logout_request(request))


def answer_logout(sign_ons: SignOns, flow: SignOnFlow, query: str, *, now: datetime) -> str | None:
    """Where the browser goes after a message about logout; None: nowhere. Raises: SamlRefused.

    A request ends the sessions of the person it names, and its answer goes back; an answer ends the way.
    """
    try:
        fields = parse_qs(query, max_num_fields=10)
    except ValueError:
        raise SamlRefused("no-message", "There is no message about logout, but more fields than one has.") from None
    if RESPONSE in fields:
        read_logout_response(read_redirect(fields[RESPONSE][0]))
        return None
    if REQUEST not in fields:
        raise SamlRefused("no-message", "There is no message about logout.")
    request, _ = read_logout_request(read_redirect(fields[REQUEST][0]), now=now)
    found = sign_ons.of_issuer(request.issuer)
    if found is None:
        raise SamlRefused("issuer", f"No customer has an identity provider {request.issuer[:200]!r}.")
    key, _, settings = found
    verify_query(query, REQUEST, settings.certificates, now=now)
    if request.destination != flow.addresses.logout_url:
        raise SamlRefused("destination", "The request is meant for another address.")
    flow.sign_out_person(key, request.name_id, request.session_index)
    if settings.logout_url is None:
        return None
    response = LogoutResponse(
        id=f"_{secrets.token_hex(16)}",
        issuer=flow.addresses.entity_id,
        issued_at=now,
        destination=settings.logout_url,
        request_id=request.id,
        is_success=True,
    )
    relay_state = check_relay_state(fields.get(RELAY_STATE, [None])[0])
    return redirect_url(settings.logout_url, RESPONSE, write_logout_response(response), relay_state=relay_state)
