"""/identityProvider (ours; Graph's oidcIdentityProvider by its names): where signing in is delegated to, and a test."""

from typing import Any

from muster.administration import identity_provider
from muster.administration.identity_provider import GRAPH_NAMES, nobody
from muster.administration.refusals import bad_request
from muster.administration.secrets import MASK
from muster.model.identity_provider import IdentityProvider, MatchingAttribute
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document, check_fixed, flag_of, required_text, text_of

_FLAGS = ("signsInPeople", "signsInAdministrators", "keepsPasswords")
_READ_ONLY = {"issuer", "redirectUris"}


def get_provider(call: Call) -> Answer:
    """GET /identityProvider, its secret masked."""
    found = identity_provider.identity_provider(call.desk)
    if found is None:
        raise nobody()
    return _shown(call, found)


def update_provider(call: Call) -> Answer:
    """PATCH /identityProvider: makes it, or changes what is given."""
    fields = call.fields()
    check_fixed(fields, {}, {*GRAPH_NAMES, *_READ_ONLY})
    changes: dict[str, Any] = {}
    for name, field in GRAPH_NAMES.items():
        if name not in fields:
            continue
        if name in _FLAGS:
            flag = flag_of(fields, name)
            if flag is None:
                raise bad_request(f"The property {name} takes true or false.")
            changes[field] = flag
        elif name == "clientSecret":
            changes |= _secret(text_of(fields, name, optional=True))
        elif name == "matchingAttribute":
            changes[field] = _attribute(required_text(fields, name))
        else:
            changes[field] = required_text(fields, name)
    return _shown(call, identity_provider.set_identity_provider(call.desk, changes))


def remove_provider(call: Call) -> Answer:
    """DELETE /identityProvider: everybody signs in with passwords again."""
    identity_provider.remove_identity_provider(call.desk)
    return NO_CONTENT


def look_at_provider(call: Call) -> Answer:
    """POST /identityProvider/test: what the provider says of itself now; 400 says what is wrong."""
    found = identity_provider.look_at_identity_provider(call.desk)
    return Answer(
        document={
            "issuer": found.issuer,
            "authorizationEndpoint": found.authorization,
            "tokenEndpoint": found.token,
            "userinfoEndpoint": found.userinfo,
        }
    )


def _secret(given: str | None) -> dict[str, str | None]:
    return {} if given == MASK else {"client_secret": given}


def _attribute(given: str) -> MatchingAttribute:
    known = {each.value: each for each in MatchingAttribute}
    if given not in known:
        raise bad_request(f"matchingAttribute is one of {', '.join(known)}.")
    return known[given]


def _shown(call: Call, found: IdentityProvider) -> Answer:
    root = call.root.rpartition("/")[0]
    document: Document = {
        "displayName": found.display_name,
        "wellKnownEndpoint": found.discovery_url,
        "issuer": found.issuer,
        "clientId": found.client_id,
        "clientSecret": None if found.client_secret is None else MASK,
        "scope": found.scope,
        "matchingClaim": found.claim,
        "matchingAttribute": found.matched_by.value,
        "signsInPeople": found.serves_people,
        "signsInAdministrators": found.serves_administrators,
        "keepsPasswords": found.keeps_passwords,
        "redirectUris": [f"{root}/signin/provider/callback", f"{root}/sign-in/provider/callback"],
    }
    return call.entity("identityProvider", document)
