"""Single sign-on by Graph's own names: properties of servicePrincipal and application, read and written.

Source: Graph v1.0, servicePrincipal and application; "Configure SAML-based single sign-on by using Microsoft Graph".
What Graph has no name for is in our `singleSignOn` and `openIdConnect`.
"""

from typing import Any

from muster.administration import signing_certificates
from muster.administration.desk import Desk, Stores
from muster.administration.openid import set_openid
from muster.administration.refusals import bad_request
from muster.administration.single_sign_on import set_sign_on, sign_on_of
from muster.model.application import EnterpriseApplication
from muster.model.openid import OpenIdSettings
from muster.model.single_sign_on import SamlSettings
from muster.web.graph.call import Document, list_of, text_of
from muster.web.graph.render import application, instant, service_principal

SAML, OPENID = "saml", "oidc"
# Other ways of Graph that are none here: nobody signs in by Muster then.
_NONE = frozenset({None, "notSupported", "external"})
OF_SERVICE_PRINCIPAL = frozenset(
    {"preferredSingleSignOnMode", "samlSingleSignOnSettings", "loginUrl", "logoutUrl", "replyUrls"}
    | {"notificationEmailAddresses", "preferredTokenSigningKeyThumbprint"}
)
OF_APPLICATION = frozenset({"identifierUris", "web"})
_OF_WEB = frozenset({"redirectUris", "logoutUrl"})


class SignOns:
    """Single sign-on of applications as they are shown; of several, each is asked of the store once."""

    def __init__(self, stores: Stores, only: EnterpriseApplication | None = None) -> None:
        if only is None:
            self._saml = stores.single_sign_on.all_settings()
            self._openid = stores.openid.all_settings()
            self._active = dict(stores.single_sign_on.all_certificates())
        else:
            sp = only.service_principal_id
            saml, openid = stores.single_sign_on.settings(sp), stores.openid.settings(sp)
            self._saml = {} if saml is None else {sp: saml}
            self._openid = {} if openid is None else {sp: openid}
            active = next((each for each in stores.single_sign_on.certificates(sp) if each.is_active), None)
            self._active = {} if active is None else {sp: active}

    def service_principal(self, found: EnterpriseApplication) -> Document:
        """Returns Graph's servicePrincipal."""
        shown, sp = service_principal(found), found.service_principal_id
        saml, openid = self._saml.get(sp, SamlSettings()), self._openid.get(sp, OpenIdSettings())
        active = self._active.get(sp)
        is_openid = _mode(saml, openid) == OPENID
        names = [] if saml.identifier is None else [saml.identifier]
        return {
            **shown,
            "servicePrincipalNames": [*names, *shown["servicePrincipalNames"]],
            "preferredSingleSignOnMode": _mode(saml, openid),
            "samlSingleSignOnSettings": None if saml.relay_state is None else {"relayState": saml.relay_state},
            "loginUrl": openid.sign_on_url if is_openid else saml.sign_on_url,
            "logoutUrl": saml.logout_url,
            "replyUrls": list(openid.redirect_uris if is_openid else saml.reply_urls),
            "notificationEmailAddresses": list(saml.notified),
            "preferredTokenSigningKeyThumbprint": None if active is None else active.thumbprint,
            "preferredTokenSigningKeyEndDateTime": None if active is None else instant(active.not_after),
        }

    def application(self, found: EnterpriseApplication) -> Document:
        """Returns Graph's application."""
        sp = found.service_principal_id
        saml, openid = self._saml.get(sp, SamlSettings()), self._openid.get(sp, OpenIdSettings())
        uris = openid.redirect_uris if _mode(saml, openid) == OPENID else saml.reply_urls
        return {
            **application(found),
            "identifierUris": [] if saml.identifier is None else [saml.identifier],
            "web": {"redirectUris": list(uris), "logoutUrl": saml.logout_url},
        }


def change_service_principal(desk: Desk, service_principal_id: str, fields: Document) -> None:
    """Changes what a PATCH of a servicePrincipal names of single sign-on. Raises: Refused."""
    sp = service_principal_id
    saml: dict[str, Any] = {}
    openid: dict[str, Any] = {}
    is_openid = _is_openid(desk, sp)
    if "preferredSingleSignOnMode" in fields:
        mode = text_of(fields, "preferredSingleSignOnMode", optional=True)
        if mode not in (SAML, OPENID) and mode not in _NONE:
            raise bad_request(f"preferredSingleSignOnMode takes {SAML}, {OPENID}, or null for none.")
        is_openid = mode == OPENID
        saml["is_enabled"] = mode == SAML
        if is_openid or _is_openid(desk, sp):
            openid["is_enabled"] = is_openid
    if "samlSingleSignOnSettings" in fields:
        saml["relay_state"] = _relay_state(fields["samlSingleSignOnSettings"])
    if "loginUrl" in fields:
        (openid if is_openid else saml)["sign_on_url"] = text_of(fields, "loginUrl", optional=True)
    if "logoutUrl" in fields:
        saml["logout_url"] = text_of(fields, "logoutUrl", optional=True)
    if "replyUrls" in fields:
        (openid if is_openid else saml)["redirect_uris" if is_openid else "reply_urls"] = _texts(fields, "replyUrls")
    if "notificationEmailAddresses" in fields:
        saml["notified"] = _texts(fields, "notificationEmailAddresses")
    _change(desk, sp, saml, openid)
    thumbprint = text_of(fields, "preferredTokenSigningKeyThumbprint", optional=True)
    if thumbprint is not None:
        signing_certificates.activate_certificate(desk, sp, thumbprint)


def change_application(desk: Desk, service_principal_id: str, fields: Document) -> None:
    """Changes what a PATCH of an application names of single sign-on. Raises: Refused."""
    saml: dict[str, Any] = {}
    openid: dict[str, Any] = {}
    if "identifierUris" in fields:
        uris = _texts(fields, "identifierUris")
        if len(uris) > 1:
            raise bad_request("identifierUris takes one identifier: an application's requests are known by it.")
        saml["identifier"] = uris[0] if uris else None
    if fields.get("web") is not None:
        web = fields["web"]
        if not isinstance(web, dict) or not _OF_WEB.issuperset(web):
            raise bad_request("web takes an object with redirectUris and logoutUrl.")
        if "redirectUris" in web and _is_openid(desk, service_principal_id):
            openid["redirect_uris"] = _texts(web, "redirectUris")
        elif "redirectUris" in web:
            saml["reply_urls"] = _texts(web, "redirectUris")
        if "logoutUrl" in web:
            saml["logout_url"] = text_of(web, "logoutUrl", optional=True)
    _change(desk, service_principal_id, saml, openid)


def _change(desk: Desk, service_principal_id: str, saml: dict[str, Any], openid: dict[str, Any]) -> None:
    if openid:
        set_openid(desk, service_principal_id, openid)
    before = sign_on_of(desk, service_principal_id).settings
    if any(getattr(before, name) != value for name, value in saml.items()):
        # Graph's clients switch it on first and give the addresses afterwards: until then nobody is signed in.
        set_sign_on(desk, service_principal_id, saml, is_whole=False)


def _mode(saml: SamlSettings, openid: OpenIdSettings) -> str | None:
    return SAML if saml.is_enabled else OPENID if openid.is_enabled else None


def _is_openid(desk: Desk, service_principal_id: str) -> bool:
    saml = desk.stores.single_sign_on.settings(service_principal_id) or SamlSettings()
    openid = desk.stores.openid.settings(service_principal_id) or OpenIdSettings()
    return _mode(saml, openid) == OPENID


def _relay_state(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not {"relayState"}.issuperset(given):
        raise bad_request('samlSingleSignOnSettings takes {"relayState": "…"}, or null.')
    # Graph's clients write an empty text for none.
    return None if given.get("relayState") == "" else text_of(given, "relayState", optional=True)


def _texts(fields: Document, name: str) -> tuple[str, ...]:
    items = list_of(fields, name)
    if any(not isinstance(item, str) for item in items):
        raise bad_request(f"The property {name} takes a list of texts.")
    return tuple(items)
