"""What keeps secrets: sealing of stored credentials, tokens that are kept only as their hash, password hashes.

A sealed value is `version ‖ key id ‖ nonce ‖ AES-256-GCM ciphertext`. Key id, tenant and field are its associated data:
a value moved to another field, tenant or installation does not open.
"""

import base64
import functools
import hashlib
import hmac
import logging
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
KEY_FILE_NAME = "secret.key"
MAX_PASSWORD_CHARACTERS = 1024
_VERSION = b"\x01"
_KEY_ID_BYTES = 8
# So much of a sealed value names its key.
SEALED_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES
_NONCE_BYTES = 12
_TOKEN_BYTES = 32
# Source: Standard Webhooks.
WEBHOOK_PREFIX = "whsec_"
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES
_PASSWORDS = PasswordHasher()

logger = logging.getLogger(__name__)


class SealingError(Exception):
    """A key cannot be used or a sealed value cannot be opened; the sentence says why, never what was in it."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key and the id under which sealed values name it: the first bytes of the key's hash."""

    material: bytes = field(repr=False)
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        if len(self.material) != KEY_BYTES:
            raise SealingError(f"a sealing key has {KEY_BYTES} bytes, this one has {len(self.material)}")
        object.__setattr__(self, "key_id", hashlib.sha256(b"muster key id" + self.material).digest()[:_KEY_ID_BYTES])

    def derived(self, purpose: str) -> bytes:
        """Returns another key of 32 bytes for a purpose; it tells nothing of this one."""
        return hmac.new(self.material, b"muster derived key " + purpose.encode(), hashlib.sha256).digest()


class Sealer:
    """Seals with one key; opens with it and with the older ones that are given."""

    def __init__(
        self,
        key: SealingKey,
        *,
        tenant: str,
        older: tuple[SealingKey, ...] = (),
        renewed: Callable[[], tuple[SealingKey, ...]] = tuple,
    ) -> None:
        """`renewed`: the keys as they are by now, where another process may put others in their place; none: the same.

        It raises SealingError when the key that counts is not at hand.
        """
        self._key = key
        self._tenant = tenant
        self._renewed = renewed
        self._ciphers = {each.key_id: AESGCM(each.material) for each in (*older, key)}

    def seal(self, value: str, *, field: str) -> bytes:
        """The value sealed for this field (a name such as `servicePrincipals/{id}/secrets/SecretToken`).

        Raises: SealingError once another key counts that is not at hand.
        """
        self._renew()
        key_id = self._key.key_id
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[key_id].encrypt(nonce, value.encode(), self._associated_data(key_id, field))
        return _VERSION + key_id + nonce + sealed

    def unseal(self, sealed: bytes, *, field: str) -> str:
        """The value. Raises SealingError if the key is another, or the value was changed or moved here."""
        if len(sealed) <= _HEADER_BYTES or sealed[:1] != _VERSION:
            raise SealingError(f"the stored value of {field} is not a sealed one")
        key_id = key_id_of(sealed)
        if key_id not in self._ciphers:
            with suppress(SealingError):
                self._renew()
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealingError(
                f"the stored value of {field} was sealed with another key ({key_id.hex()}): "
                "give the key file it was sealed with, or enter the credential again"
            )
        nonce, ciphertext = sealed[1 + _KEY_ID_BYTES : _HEADER_BYTES], sealed[_HEADER_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, self._associated_data(key_id, field)).decode()
        except InvalidTag:
            raise SealingError(f"the stored value of {field} was changed since it was sealed") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether a sealed value was sealed with the key that seals now."""
        return key_id_of(sealed) == self._key.key_id

    def _renew(self) -> None:
        keys = self._renewed()
        if keys and keys[0] != self._key:
            # What the older one has sealed still opens. The ciphers go first: other threads seal meanwhile.
            self._ciphers = {**self._ciphers, **{each.key_id: AESGCM(each.material) for each in keys}}
            self._key = keys[0]

    def _associated_data(self, key_id: bytes, field: str) -> bytes:
        parts = (_VERSION, key_id, self._tenant.encode(), field.encode())
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def key_id_of(sealed: bytes) -> bytes:
    """The id of the key that a value was sealed with."""
    return sealed[1 : 1 + _KEY_ID_BYTES]


def load_keys(data_folder: Path, *, key_file: Path | None) -> tuple[SealingKey, ...]:
    """The installation's keys: from `key_file` (MUSTER_KEY_FILE), else `secret.key` in the data folder, made once.

    A key file holds 64 hexadecimal digits or 32 raw bytes. While a key is being changed it holds a line of digits for
    each key, the newest first. Raises: SealingError.
    """
    path = key_path(data_folder, key_file=key_file)
    if key_file is not None:
        if not path.is_file():
            raise SealingError(f"the key file {path} does not exist: make one with `openssl rand -hex 32`")
        return read_keys(path)
    if not path.exists():
        data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create_key(path)
    logger.warning("the sealing key lies beside the data it seals (%s): set MUSTER_KEY_FILE to keep it elsewhere", path)
    return read_keys(path)


def key_path(data_folder: Path, *, key_file: Path | None) -> Path:
    """Where the keys are kept."""
    return data_folder / KEY_FILE_NAME if key_file is None else key_file


def make_key() -> SealingKey:
    """A new key, by chance."""
    return SealingKey(secrets.token_bytes(KEY_BYTES))


def write_keys(path: Path, keys: Sequence[SealingKey]) -> None:
    """Puts keys into a key file, whole or not at all, for its owner alone. Raises: SealingError."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write_private(draft, "".join(f"{key.material.hex()}\n" for key in keys))
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SealingError(f"the key file {path} cannot be written: {error.strerror}") from None


def make_token(prefix: str) -> str:
    """A new token: a prefix by which leaked ones are recognised (`muster_`), then 256 bits of chance."""
    return f"{prefix}{secrets.token_urlsafe(_TOKEN_BYTES)}"


def make_webhook_secret() -> str:
    """A new secret to sign a webhook's calls with."""
    return WEBHOOK_PREFIX + base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode()


def read_webhook_secret(text: str) -> bytes:
    """The key of a webhook's secret. Raises: ValueError that says what such a secret looks like."""
    try:
        key = base64.b64decode(text.removeprefix(WEBHOOK_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(WEBHOOK_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"a webhook's secret is {WEBHOOK_PREFIX} and the base64 of 24 to 64 bytes")
    return key


def hash_token(token: str) -> str:
    """The hash to store and to look up by. Plain SHA-256 will do: a token is chance, not a word somebody chose."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_token(token: str, stored_hash: str) -> bool:
    """Whether the token is the one whose hash is stored, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(hash_token(token), stored_hash)


def hash_password(password: str) -> str:
    """The argon2id hash with its parameters and salt. Raises ValueError for a password longer than the limit."""
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise ValueError(f"a password has at most {MAX_PASSWORD_CHARACTERS} characters")
    return _PASSWORDS.hash(password)


def is_password(password: str, stored_hash: str | None) -> bool:
    """Whether the password is the one whose hash is stored. Without a hash (no such account) no, in the same time."""
    if len(password) > MAX_PASSWORD_CHARACTERS:
        return False
    try:
        matches = _PASSWORDS.verify(stored_hash or _hash_of_nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored_hash is not None


def is_password_hash_outdated(stored_hash: str) -> bool:
    """Whether the password should be hashed anew at the next sign-in, as the parameters have become stronger."""
    return _PASSWORDS.check_needs_rehash(stored_hash)


def read_keys(path: Path) -> tuple[SealingKey, ...]:
    """The keys in a key file that is there. Raises: SealingError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    # Kubernetes mounts a secret for a user who is not root readable for its group.
    if mode & stat.S_IRWXO:
        # No error: secrets mounted into containers are readable for all by default, and no one else is in there.
        logger.warning("everybody may read the key file %s (mode %04o): chmod 600 it", path, mode)
    content = path.read_bytes()
    if len(content) == KEY_BYTES:
        return (SealingKey(content),)
    try:
        found = tuple(SealingKey(bytes.fromhex(line)) for line in content.decode().split())
    except ValueError:
        found = ()
    if not found:
        raise SealingError(f"the key file {path} holds neither 64 hexadecimal digits nor 32 bytes")
    return found


def _create_key(path: Path) -> None:
    # Written whole under another name and linked: two processes that start together end with one key, complete.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write_private(draft, secrets.token_hex(KEY_BYTES) + "\n")
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            logger.debug("another process made %s first", path)
    finally:
        draft.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@functools.cache
def _hash_of_nobody() -> str:
    return _PASSWORDS.hash(secrets.token_hex())
