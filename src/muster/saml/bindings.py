"""How messages travel: in the query of a redirect (deflated, may be signed), or in a form that posts itself.

Source: SAML bindings §3.4, §3.5.
"""

import base64
import binascii
import zlib
from urllib.parse import urlencode

from muster.saml.certificates import SigningKey
from muster.saml.documents import Element, render
from muster.saml.names import LIMIT_MESSAGE_BYTES, LIMIT_RELAY_STATE_CHARACTERS, Hash, SamlRefused
from muster.saml.signatures import sign_query

REQUEST, RESPONSE, RELAY_STATE = "SAMLRequest", "SAMLResponse", "RelayState"
_RAW = -15


def redirect_url(
    address: str,
    field: str,
    message: Element,
    *,
    relay_state: str | None = None,
    key: SigningKey | None = None,
    hash_: Hash = Hash.SHA256,
) -> str:
    """The address to send the browser to with a message in its query, signed if there is a key."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW)
    packed = packer.compress(render(message)) + packer.flush()
    fields = [(field, base64.b64encode(packed).decode())]
    if relay_state:
        fields.append((RELAY_STATE, relay_state))
    query = sign_query(fields, key, hash_) if key is not None else urlencode(fields)
    return f"{address}{'&' if '?' in address else '?'}{query}"


def read_redirect(value: str) -> bytes:
    """The message in a redirect's query. Raises: SamlRefused, before more than the limit is unpacked."""
    unpacker = zlib.decompressobj(_RAW)
    try:
        content = unpacker.decompress(_from_base64(value), LIMIT_MESSAGE_BYTES + 1)
    except zlib.error:
        raise SamlRefused("no-message", "The message is not deflated.") from None
    if len(content) > LIMIT_MESSAGE_BYTES:
        raise SamlRefused("too-large", f"The message is larger than {LIMIT_MESSAGE_BYTES} bytes.")
    if not unpacker.eof:
        raise SamlRefused("no-message", "The message is cut off.")
    return content


def read_post(value: str) -> bytes:
    """The message in a form. Raises: SamlRefused."""
    return _from_base64(value)


def write_post(message: Element) -> str:
    """What a form carries of a message."""
    return base64.b64encode(render(message)).decode()


def check_relay_state(value: str | None) -> str | None:
    """The relay state, None for an empty one. Raises: SamlRefused for one that is too long to be given back."""
    if value is not None and len(value) > LIMIT_RELAY_STATE_CHARACTERS:
        raise SamlRefused("relay-state", f"The relay state has more than {LIMIT_RELAY_STATE_CHARACTERS} characters.")
    return value or None


def _from_base64(value: str) -> bytes:
    if len(value) > LIMIT_MESSAGE_BYTES * 4 // 3 + 4:
        raise SamlRefused("too-large", f"The message is larger than {LIMIT_MESSAGE_BYTES} bytes.")
    try:
        # Lenient: forms wrap base64 in lines (RFC 2045).
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SamlRefused("no-message", "The message is no base64.") from None
