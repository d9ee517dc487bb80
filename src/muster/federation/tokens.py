"""The identity token of the other provider: its signature and every claim that has to fit."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from muster.model.identity_provider import FederationRefused

# Nothing but signatures of a key pair: with a shared secret, or with none, anybody could have made a token.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
TOKEN_CHARACTERS = 64 * 1024
KEYS_LIMIT = 100
SKEW_SECONDS = 180
# How long ago somebody may have shown who they are and still count as having done so now.
FRESH_SECONDS = 300


def read_keys(document: Mapping[str, Any]) -> KeySet:
    """Returns the public keys of a JWKS; kinds that are not known are passed over. Raises: FederationRefused."""
    given = document.get("keys")
    if not isinstance(given, list) or len(given) > KEYS_LIMIT:
        raise FederationRefused("The provider's keys are no list of JSON Web Keys.")
    usable = [
        each
        for each in given
        if isinstance(each, dict) and each.get("kty") in ("RSA", "EC", "OKP") and each.get("use", "sig") == "sig"
    ]
    keys = [key for each in usable for key in _read_key(each)]
    if not keys:
        raise FederationRefused("None of the provider's keys can be read.")
    return KeySet(keys)


def _read_key(given: Any) -> list[Key]:
    """One key or none: what cannot be read is passed over, so that the others still count (RFC 7517 §5)."""
    try:
        return list(KeySet.import_key_set({"keys": [given]}).keys)
    except (JoseError, ValueError, TypeError, KeyError):
        return []


def is_known(token: str, keys: KeySet) -> bool:
    """Whether the key that a token names is among these."""
    try:
        name = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).header.get("kid")
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return name is None or any(key.kid == name for key in keys.keys)


def check_token(
    answer: Mapping[str, Any],
    keys: KeySet,
    issuer: str,
    client_id: str,
    nonce: str,
    at: datetime,
    *,
    is_fresh: bool,
) -> dict[str, Any]:
    """Returns the claims of the identity token in a token endpoint's answer. Raises: FederationRefused, naming why.

    Source: OpenID Connect Core 1.0 §3.1.3.7.
    """
    text = answer.get("id_token")
    if not isinstance(text, str) or len(text) > TOKEN_CHARACTERS:
        raise FederationRefused("The provider gave no identity token.")
    try:
        token = jwt.decode(text, keys, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise FederationRefused(f"The identity token's signature does not hold ({_name(error)}).") from None
    if str(token.header.get("typ")).lower().endswith("+jwt"):
        # RFC 8725 §3.11: access tokens (at+jwt) and logout tokens (logout+jwt) of the same keys say what they are.
        raise FederationRefused("The identity token is refused: its type says that it is another kind of token.")
    access = answer.get("access_token")
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
        },
        params={
            "nonce": nonce,
            "client_id": client_id,
            "access_token": access if isinstance(access, str) else None,
            "max_age": 1 if is_fresh else None,
        },
    )
    try:
        claims.validate(now=int(at.timestamp()), leeway=SKEW_SECONDS)
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        # The library's sentences name the claim, never its value.
        raise FederationRefused(f"The identity token is refused: {_name(error)}.") from None
    subject = token.claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise FederationRefused("The identity token is refused: it names no subject.")
    when = authenticated_at(token.claims)
    if is_fresh and (when is None or (at - when).total_seconds() > FRESH_SECONDS):
        raise FederationRefused("The provider did not ask for a fresh sign-in, as the application wants.")
    return dict(token.claims)


def authenticated_at(claims: Mapping[str, Any]) -> datetime | None:
    """Returns when somebody showed who they are, None if the token does not say."""
    value = claims.get("auth_time")
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 2**40:
        return None
    return datetime.fromtimestamp(value, UTC)


def _name(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "".join(each for each in text[:160] if each.isprintable()).rstrip(".")
