"""The other OpenID Connect provider that people and administrators may sign in with: its settings, and a test of it."""

from typing import Any

import flask

from muster.administration import identity_provider
from muster.administration.refusals import Refused
from muster.model.identity_provider import DEFAULT_CLAIM, DEFAULT_SCOPE, MatchingAttribute
from muster.model.roles import Permission
from muster.ui.language import marked
from muster.web.person.entrance import CALLBACK as PERSON_CALLBACK
from muster.web.portal.door import CALLBACK
from muster.web.portal.forms import chosen, done, field, is_ticked, refused_page
from muster.web.portal.paths import desk

PATH = "/identity-provider"
_WAYS = {
    MatchingAttribute.USER_PRINCIPAL_NAME.value: marked("User principal name"),
    MatchingAttribute.MAIL.value: marked("Mail address"),
}


def show_provider() -> Any:
    """GET /identity-provider"""
    return _page()


def save_provider() -> Any:
    """POST /identity-provider: makes it, changes it, or removes it."""
    try:
        if is_ticked("remove"):
            identity_provider.remove_identity_provider(desk())
            return done(PATH, "removed")
        identity_provider.set_identity_provider(desk(), _changes())
    except Refused as refused:
        return refused_page(_page(refused), refused)
    return done(PATH, "saved")


def look_at_provider() -> Any:
    """POST /identity-provider/test: what the provider says of itself, as a part of the page."""
    refusal = found = None
    try:
        found = identity_provider.look_at_identity_provider(desk())
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        refusal = refused
    return flask.render_template("directory/identity_provider_looks.html", found=found, refusal=refusal)


def _changes() -> dict[str, Any]:
    changes: dict[str, Any] = {
        "display_name": field("display_name"),
        "discovery_url": field("discovery_url"),
        "client_id": field("client_id"),
        "scope": field("scope") or DEFAULT_SCOPE,
        "claim": field("claim") or DEFAULT_CLAIM,
        "matched_by": MatchingAttribute(chosen("matched_by", _WAYS)),
        "serves_people": is_ticked("serves_people"),
        "serves_administrators": is_ticked("serves_administrators"),
        "keeps_passwords": is_ticked("keeps_passwords"),
    }
    if secret := field("client_secret"):
        changes["client_secret"] = secret
    elif is_ticked("no_secret"):
        changes["client_secret"] = None
    return changes


def _page(refusal: Refused | None = None) -> str:
    provider, is_lost = identity_provider.kept_identity_provider(desk())
    root: str = flask.current_app.extensions["services"].root(flask.request.environ)
    return flask.render_template(
        "directory/identity_provider.html",
        provider=provider,
        is_lost=is_lost,
        may_manage=desk().may(Permission.MANAGE_INSTALLATION) and desk().may(Permission.MANAGE_ACCESS),
        ways=_WAYS,
        callbacks=(f"{root}{PERSON_CALLBACK}", f"{root}{CALLBACK}"),
        defaults={"scope": DEFAULT_SCOPE, "claim": DEFAULT_CLAIM},
        refusal=refusal,
        form=flask.request.form,
    )
