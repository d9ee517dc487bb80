"""Documents of the other provider, fetched through the guard and read with limits."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import orjson

from muster.model.exchange import ExchangeFailed, HttpRequest
from muster.model.identity_provider import Endpoints, FederationRefused, IdentityProvider
from muster.ports.transport import Transport

DEADLINE = timedelta(seconds=10)
LIMIT_BYTES = 512 * 1024
_TEXT_CHARACTERS = 2_048
_METHODS = ("client_secret_basic", "client_secret_post")


def fetch_document(
    transport: Transport, url: str, what: str, *, headers: Mapping[str, str] | None = None, form: Any = None
) -> tuple[int, dict[str, Any]]:
    """Returns status and JSON object that an address answers. Raises: FederationRefused."""
    given = {"Accept": "application/json", **(headers or {})}
    body = None
    if form is not None:
        given["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(form).encode()
    request = HttpRequest(method="GET" if body is None else "POST", url=url, headers=given, body=body)
    try:
        response = transport.send(request, deadline=DEADLINE)
    except ExchangeFailed as failure:
        raise FederationRefused(f"{what} cannot be had: {failure.sentence}.", is_away=True) from None
    if response.status >= 500 or response.status == 429:
        raise FederationRefused(f"{what} cannot be had: {_host(url)} answered {response.status}.", is_away=True)
    if len(response.body) > LIMIT_BYTES:
        raise FederationRefused(f"{what} is longer than {LIMIT_BYTES} bytes.")
    try:
        document = orjson.loads(response.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise FederationRefused(f"{what} is no JSON object: {_host(url)} answered {response.status}.")
    return response.status, document


def fetch_endpoints(transport: Transport, provider: IdentityProvider) -> Endpoints:
    """Returns what the discovery document says, once it fits. Raises: FederationRefused.

    Source: OpenID Connect Discovery 1.0 §4.3: the issuer is the address that discovery began with; §4.1: a slash at its
    end is taken off before the well-known path is appended.
    """
    status, found = fetch_document(transport, provider.discovery_url, "The discovery document")
    if status != 200:
        raise FederationRefused(f"The discovery document cannot be had: the provider answered {status}.")
    issuer = _text(found, "issuer")
    if issuer not in (provider.issuer, f"{provider.issuer}/"):
        raise FederationRefused(
            f"The discovery document is that of the issuer {issuer or '(none)'}, not of {provider.issuer}."
        )
    is_plain = urlsplit(provider.discovery_url).scheme == "http"
    wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    addresses = {name: _address(found, name, is_plain=is_plain) for name in wanted}
    missing = [name for name, address in addresses.items() if address is None]
    if missing:
        raise FederationRefused(f"The discovery document has no {missing[0]} that can be used.")
    methods = found.get("token_endpoint_auth_methods_supported")
    return Endpoints(
        issuer=issuer,
        authorization=str(addresses["authorization_endpoint"]),
        token=str(addresses["token_endpoint"]),
        keys=str(addresses["jwks_uri"]),
        userinfo=_address(found, "userinfo_endpoint", is_plain=is_plain),
        # Without the list it is Basic: Discovery §3.
        token_methods=tuple(each for each in _METHODS if each in methods)
        if isinstance(methods, list)
        else _METHODS[:1],
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def exchange_code(
    transport: Transport, provider: IdentityProvider, endpoints: Endpoints, grant: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the token endpoint's answer to a grant. Raises: FederationRefused."""
    form, headers = dict(grant), {}
    secret = provider.client_secret
    if secret is not None and "client_secret_post" not in endpoints.token_methods[:1]:
        # Both parts are form-encoded before they are joined: RFC 6749 §2.3.1.
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form["client_id"] = provider.client_id
        if secret is not None:
            form["client_secret"] = secret
    status, answer = fetch_document(transport, endpoints.token, "The token", headers=headers, form=form)
    if status != 200:
        said = _text(answer, "error") or "no reason"
        raise FederationRefused(f"The provider's token endpoint refused the code: {status} {_printable(said)}.")
    return answer


def _address(document: Mapping[str, Any], name: str, *, is_plain: bool) -> str | None:
    """An address of the document; plain http only from a provider that is itself asked by it (and the guard allows)."""
    text = _text(document, name)
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_web = parts.scheme == "https" or (is_plain and parts.scheme == "http")
    is_fit = len(text) <= _TEXT_CHARACTERS and text.isprintable() and " " not in text and not parts.fragment
    return text if is_web and parts.hostname and is_fit else None


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _printable(text: str) -> str:
    return "".join(each for each in text[:100] if each.isprintable())


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"
