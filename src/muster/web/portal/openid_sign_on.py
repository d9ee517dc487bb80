"""An application's single sign-on by OpenID Connect: its settings, its secrets, and what it needs of us."""

import re
from typing import Any

import flask

from muster.administration import openid
from muster.administration.refusals import Refused, bad_request
from muster.model.openid import SCOPES, OpenIdClaim
from muster.ui.language import gettext
from muster.web.portal.forms import done, field, is_ticked, refused_page
from muster.web.portal.paths import desk
from muster.web.portal.shelves import find_shelf, show

PARTS = ("single-sign-on", "openid-connect")
LONG_CHARACTERS = 20_000
# department = [department], or with a scope: email (email) = [mail]
_CLAIM = re.compile(r"(?P<name>\S+)(?:\s+\((?P<scope>\w+)\))?\s+=\s+(?P<expression>.+)")


def show_openid(sp: str, refusal: Refused | None = None, made: str | None = None) -> Any:
    """GET /applications/<sp>/single-sign-on/openid-connect; `made` is a new secret, shown this once."""
    found = find_shelf(sp)
    settings = openid.openid_of(desk(), found.sp).settings
    root = flask.current_app.extensions["services"].root(flask.request.environ)
    return show(
        "applications/openid_sign_on.html",
        found,
        settings=settings,
        claims="\n".join(_line(claim) for claim in settings.claims),
        scopes=", ".join(SCOPES[1:]),
        issuer=f"{root}/oidc",
        can_add=len(settings.secrets) < openid.SECRETS_LIMIT,
        refusal=refusal,
        made=made,
        form=flask.request.form,
    )


def save_openid(sp: str) -> Any:
    """POST /applications/<sp>/single-sign-on/openid-connect"""
    found = find_shelf(sp)
    try:
        openid.set_openid(
            desk(),
            found.sp,
            {
                "is_enabled": is_ticked("enabled"),
                "redirect_uris": tuple(field("redirect_uris", LONG_CHARACTERS).split()),
                "sign_on_url": field("sign_on_url") or None,
                "is_public": is_ticked("public"),
                "requires_pkce": is_ticked("pkce"),
                "claims": _claims(field("claims", LONG_CHARACTERS)),
            },
        )
    except Refused as refused:
        return refused_page(show_openid(sp, refused), refused)
    return done(found.to(*PARTS), "saved")


def change_secrets(sp: str) -> Any:
    """POST /applications/<sp>/single-sign-on/openid-connect/secrets: makes one, or removes the one that is named."""
    found = find_shelf(sp)
    try:
        if name := field("remove", 100):
            openid.remove_secret(desk(), found.sp, name)
            return done(found.to(*PARTS), "removed")
        _, made = openid.add_secret(desk(), found.sp)
    except Refused as refused:
        return refused_page(show_openid(sp, refused), refused)
    return show_openid(sp, made=made)


def _line(claim: OpenIdClaim) -> str:
    return f"{claim.name}{'' if claim.scope is None else f' ({claim.scope})'} = {claim.expression}"


def _claims(text: str) -> tuple[OpenIdClaim, ...]:
    claims = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _CLAIM.fullmatch(line)
        if match is None:
            raise bad_request(
                gettext("A claim is written “name = expression” or “name (scope) = expression”, one a line.")
            )
        claims.append(OpenIdClaim(name=match["name"], scope=match["scope"], expression=match["expression"]))
    return tuple(claims)
