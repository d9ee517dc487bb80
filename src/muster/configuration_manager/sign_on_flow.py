"""People of customers signing in: requests begun, responses taken once, sessions, and the log of both."""

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager.customer import Customer
from muster.configuration_manager.sign_on import ServiceAddresses, SignOns, SignOnSettings
from muster.configuration_manager.tables import (
    customers,
    people_sessions,
    resources,
    sign_on_assertions,
    sign_on_domains,
    sign_on_log,
    sign_on_requests,
    sign_ons,
)
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, is_unique_violation
from muster.model.names import is_same_name
from muster.saml.assertions import Expected, SignedIn, read_issuer, read_response
from muster.saml.bindings import REQUEST, redirect_url
from muster.saml.names import NameFormat, SamlRefused
from muster.saml.requests import AuthnRequest, write_authn_request
from muster.scim.values import fold
from muster.sealing import hash_token, make_token

REQUEST_LASTS = timedelta(minutes=10)
SESSION_LASTS = timedelta(hours=8)
# Of each customer, and of messages whose issuer is nobody's: those come from whoever likes to send them.
KEPT_LOG_ROWS = 100_000
KEPT_STRANGERS_ROWS = 10_000
LIMIT_NAME_CHARACTERS = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A request that is under way: where the browser goes, and the secret that it keeps."""

    address: str
    secret: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSession:
    """A person who is signed in."""

    customer_key: int
    customer: str
    resource_id: str
    name_id: str
    name_format: str | None
    session_index: str | None
    csrf_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSignIn:
    """A line of the log; `code` None: signed in."""

    at: datetime
    reference: str
    name_id: str | None
    machine: str
    code: str | None
    sentence: str


class SignInRefused(Exception):
    """A sign-in that did not work. Pages show the reference alone; the reason stands in the log under it."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference


class SignOnFlow:
    """Sign-in by the customers' identity providers."""

    def __init__(self, database: Database, writer: Writer, sign_ons_: SignOns, addresses: ServiceAddresses) -> None:
        self._database = database
        self._writer = writer
        self._sign_ons = sign_ons_
        self.addresses = addresses
        # Lines since older ones were last removed, a customer.
        self._untrimmed: dict[int | None, int] = {}

    def begin(self, name: str, *, now: datetime) -> Begun | None:
        """A request for whoever has this username or company e-mail; None if single sign-on is not theirs to use.

        A username that several customers know is decided by the domain.
        """
        issuer = self._issuer_for(name[:LIMIT_NAME_CHARACTERS].strip())
        found = None if issuer is None else self._sign_ons.of_issuer(issuer)
        if found is None:
            return None
        key, _, settings = found
        secret = make_token("")
        request = AuthnRequest(
            id=f"_{secrets.token_hex(16)}",
            issuer=self.addresses.entity_id,
            issued_at=now,
            destination=settings.login_url,
            reply_url=self.addresses.reply_url,
            name_format=NameFormat.EMAIL.value,
        )
        row = {
            "request_id": request.id,
            "customer_key": key,
            "digest": hash_token(secret),
            "expires_at": now + REQUEST_LASTS,
        }

        def work(connection: Connection) -> None:
            connection.execute(sa.delete(sign_on_requests).where(sign_on_requests.c.expires_at <= now))
            connection.execute(sa.insert(sign_on_requests), row)

        self._writer.run(work)
        address = redirect_url(settings.login_url, REQUEST, write_authn_request(request))
        return Begun(address=address, secret=secret, provider=settings.provider)

    def accept(self, content: bytes, *, browser: str, machine: str, now: datetime) -> str:
        """The secret of the session that a response opens. Raises: SignInRefused; the log has the reason."""
        key: int | None = None
        name: str | None = None
        try:
            issuer, request_id = read_issuer(content)
            found = self._sign_ons.of_issuer(issuer)
            if found is None:
                raise SamlRefused(
                    "issuer", f"No customer has an identity provider {issuer[:200]!r} that is switched on."
                )
            key, _, settings = found
            signed_in = read_response(content, self._expected(settings, key, request_id, browser, now))
            name = signed_in.name_id
            if signed_in.request_id is None and not settings.takes_unasked:
                raise SamlRefused("unasked", "Nobody began this sign-in here, which is switched off.")
            secret = self._open_session(key, signed_in, now)
        except SamlRefused as refused:
            reference = self._log(key, name, machine, now, refused.code, refused.sentence)
            raise SignInRefused(reference) from None
        self._log(key, name, machine, now, None, "Signed in.")
        return secret

    def refuse(self, code: str, sentence: str, *, machine: str, now: datetime) -> SignInRefused:
        """What to raise for a message that could not even be unpacked; the log has the reason."""
        return SignInRefused(self._log(None, None, machine, now, code, sentence))

    def find_session(self, secret: str, *, now: datetime) -> PersonSession | None:
        """The session of a cookie's secret; None once it has ended, or its account is gone or inactive."""
        query = (
            sa.select(people_sessions, customers.c.name)
            .join(customers, customers.c.key == people_sessions.c.customer_key)
            .join(sign_ons, sign_ons.c.customer_key == people_sessions.c.customer_key)
            .join(
                resources,
                sa.and_(
                    resources.c.customer_key == people_sessions.c.customer_key,
                    resources.c.type == "User",
                    resources.c.resource_id == people_sessions.c.resource_id,
                ),
            )
            .where(
                people_sessions.c.digest == hash_token(secret),
                people_sessions.c.expires_at > now,
                sign_ons.c.enabled,
                resources.c.active.is_not(False),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return PersonSession(
            customer_key=row.customer_key,
            customer=row.name,
            resource_id=row.resource_id,
            name_id=row.name_id,
            name_format=row.name_format,
            session_index=row.session_index,
            csrf_token=row.csrf_token,
        )

    def sign_out(self, secret: str) -> None:
        """Ends a session."""
        where = people_sessions.c.digest == hash_token(secret)
        self._writer.run(lambda connection: connection.execute(sa.delete(people_sessions).where(where)))

    def sign_out_person(self, customer_key: int, name_id: str, session_index: str | None) -> int:
        """Ends the sessions of a person, those of one session at the identity provider if it is named."""
        where = [people_sessions.c.customer_key == customer_key, people_sessions.c.name_id == name_id]
        if session_index is not None:
            where.append(people_sessions.c.session_index == session_index)
        return self._writer.run(
            lambda connection: connection.execute(sa.delete(people_sessions).where(*where)).rowcount
        )

    def read_log(self, customer: Customer, *, count: int) -> list[LoggedSignIn]:
        """The newest lines of a customer, and of messages whose issuer is nobody's: of those half, if need be."""
        newest = sa.select(sign_on_log).order_by(sign_on_log.c.key.desc()).limit(count)
        with self._database.read() as connection:
            own = connection.execute(newest.where(sign_on_log.c.customer_key == customer.key)).all()
            others = connection.execute(newest.where(sign_on_log.c.customer_key.is_(None))).all()
            others = others[: max(count // 2, count - len(own))]
            rows = sorted((*own, *others), key=lambda row: row.key, reverse=True)[:count]
            return [
                LoggedSignIn(
                    at=row.at,
                    reference=row.reference,
                    name_id=row.name_id,
                    machine=row.machine,
                    code=row.code,
                    sentence=row.sentence,
                )
                for row in rows
            ]

    def _issuer_for(self, name: str) -> str | None:
        # No name holds the character, and PostgreSQL compares none with it.
        if not name or "\0" in name:
            return None
        of_user = (
            sa.select(sign_ons.c.issuer)
            .join(resources, resources.c.customer_key == sign_ons.c.customer_key)
            .where(sign_ons.c.enabled, resources.c.type == "User", resources.c.unique_name == fold(name))
            .limit(2)
        )
        of_domain = (
            sa.select(sign_ons.c.issuer)
            .join(sign_on_domains, sign_on_domains.c.customer_key == sign_ons.c.customer_key)
            .where(sign_ons.c.enabled, sign_on_domains.c.domain == name.rpartition("@")[2].lower())
        )
        with self._database.read() as connection:
            issuers = list(connection.scalars(of_user))
            if len(issuers) == 1:
                return str(issuers[0])
            found: str | None = connection.scalar(of_domain)
        return found

    def _expected(
        self, settings: SignOnSettings, key: int, request_id: str | None, browser: str, now: datetime
    ) -> Expected:
        is_ours = False
        if request_id is not None:
            # Taken out whatever comes of it: a request is answered once.
            where = (
                sign_on_requests.c.request_id == request_id,
                sign_on_requests.c.customer_key == key,
                sign_on_requests.c.digest == hash_token(browser),
                sign_on_requests.c.expires_at > now,
            )
            is_ours = bool(
                self._writer.run(
                    lambda connection: connection.execute(sa.delete(sign_on_requests).where(*where)).rowcount
                )
            )
        return Expected(
            issuer=settings.issuer,
            certificates=settings.certificates,
            audience=self.addresses.entity_id,
            reply_url=self.addresses.reply_url,
            request_id=request_id if is_ours else None,
            now=now,
        )

    def _open_session(self, customer_key: int, signed_in: SignedIn, now: datetime) -> str:
        secret = make_token("")
        find = sa.select(resources.c.resource_id, resources.c.active, resources.c.body).where(
            resources.c.customer_key == customer_key,
            resources.c.type == "User",
            # The Federation ID: provisioning sets it, and the username, from `userName`.
            resources.c.unique_name == fold(signed_in.name_id),
        )

        def work(connection: Connection) -> str | None:
            # First of all: an assertion is used up even if nobody is found for it.
            connection.execute(sa.delete(sign_on_assertions).where(sign_on_assertions.c.counts_until <= now))
            connection.execute(
                sa.insert(sign_on_assertions),
                {
                    "customer_key": customer_key,
                    "assertion_id": signed_in.assertion_id,
                    "counts_until": signed_in.counts_until,
                },
            )
            row = connection.execute(find).first()
            # Other letters that a search takes for these are another person's.
            if row is None or not is_same_name(str(orjson.loads(row.body).get("userName")), signed_in.name_id):
                return "unknown-account"
            if row.active is False:
                return "inactive-account"
            ends = min(now + SESSION_LASTS, signed_in.session_ends_at or now + SESSION_LASTS)
            connection.execute(sa.delete(people_sessions).where(people_sessions.c.expires_at <= now))
            connection.execute(
                sa.insert(people_sessions),
                {
                    "digest": hash_token(secret),
                    "customer_key": customer_key,
                    "resource_id": row.resource_id,
                    "name_id": signed_in.name_id,
                    "name_format": signed_in.name_format,
                    "session_index": signed_in.session_index,
                    "csrf_token": secrets.token_urlsafe(24),
                    "began_at": now,
                    "expires_at": ends,
                },
            )
            return None

        try:
            refusal = self._writer.run(work)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise SamlRefused("replay", "The assertion has been used before.") from None
        if refusal == "unknown-account":
            raise SamlRefused(
                refusal, f"No account has the Federation ID {signed_in.name_id[:200]!r}: provision this person first."
            )
        if refusal is not None:
            raise SamlRefused(refusal, "The account is deactivated.")
        return secret

    def _log(
        self, customer_key: int | None, name: str | None, machine: str, now: datetime, code: str | None, sentence: str
    ) -> str:
        reference = secrets.token_hex(5)
        row = {
            "customer_key": customer_key,
            "at": now,
            "reference": reference,
            "name_id": None if name is None else name[:LIMIT_NAME_CHARACTERS],
            "machine": machine[:64],
            "code": code,
            "sentence": sentence,
        }

        def work(connection: Connection) -> None:
            connection.execute(sa.insert(sign_on_log), row)
            self._trim_log(connection, customer_key)

        self._writer.run(work)
        if code is not None:
            logger.warning("a sign-in was refused: %s", code, extra={"reference": reference, "machine": machine})
        return reference

    def _trim_log(self, connection: Connection, customer_key: int | None) -> None:
        """Removes a customer's oldest lines, never another's. Finding them walks the index, so not for every line."""
        kept = KEPT_STRANGERS_ROWS if customer_key is None else KEPT_LOG_ROWS
        # The first line since the start counts as many: who knows how many came before.
        written = self._untrimmed.get(customer_key, kept) + 1
        if written * 100 > kept:
            # `== None` is IS NULL here.
            theirs = sign_on_log.c.customer_key == customer_key
            newest = sa.select(sign_on_log.c.key).where(theirs).order_by(sign_on_log.c.key.desc())
            first_over = newest.offset(kept).limit(1).scalar_subquery()
            connection.execute(sa.delete(sign_on_log).where(theirs, sign_on_log.c.key <= first_over))
            written = 0
        self._untrimmed[customer_key] = written
