"""From an application's stored secrets to its target: references resolved, credentials read, a transport of its own."""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from muster.bootstrap.machine import SteadyClock
from muster.bootstrap.references import resolve_references
from muster.model.application import SecretKey
from muster.model.certificates import PresentedCertificate
from muster.model.credentials import AuthenticationType, OAuthClient, read_client, read_login, read_trust
from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.model.failures import CredentialsRefused, SystemUnreachable
from muster.model.rules import SynchronizationSchema
from muster.ports.transport import Transport
from muster.ports.world import Clock, Ids
from muster.scim.client import AddressInvalid, read_address
from muster.scim.dialect import Dialect
from muster.settings import Settings
from muster.targets.authorization import Authorization, KeepToken, TokenShelf, authorization_of
from muster.targets.conformance.report import ExaminationRefused, Report, examine
from muster.targets.conformance.session import DEADLINE, Presented, Session
from muster.targets.measured import MeasuredTransport
from muster.targets.oauth import AccessToken, request_token
from muster.targets.pace import Budget
from muster.targets.scim import READ_ATTEMPTS, ScimTarget
from muster.targets.scim_names import mapped_attributes
from muster.transport.certificates import CertificateInvalid, check_identity, find_trustable, look_at_chain
from muster.transport.client import HttpTransport, open_transport
from muster.transport.guard import AddressGuard

_TRY_WITHIN = timedelta(seconds=10)
# (the refresh token that was used, what came in its place): kept only if it is still the stored one.
# (transport, credentials in the clear) -> a transport that keeps what goes over it.
Tap = Callable[[Transport, Callable[[], Collection[str]]], Transport]
Exchange = Callable[[str | None, Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of an application before it is asked: its name as people know it, how it lets in, its dialect."""

    name: str
    authentication_type: AuthenticationType
    dialect: Dialect


class Connections:
    """Opens connections to targets; one for a process, so that access tokens are shared."""

    def __init__(self, settings: Settings, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._shelf = TokenShelf()

    def open_target(
        self,
        profile: Profile,
        secrets: Mapping[str, str],
        schema: SynchronizationSchema,
        exchange: Exchange,
        tap: Tap | None = None,
        budget_of: Callable[[str], Budget] | None = None,
    ) -> ScimTarget:
        """Returns the target of an application. Raises: JobFailure.

        Args:
            exchange: keeps the tokens that take the place of a refresh token.
            tap: makes the transport keep what goes over it.
            budget_of: the rate of an address that engines of several machines share.
        """
        address, transport, authorization = self._way_in(profile, secrets, exchange)
        return ScimTarget(
            transport=MeasuredTransport(
                transport if tap is None else tap(transport, authorization.secrets), profile.name
            ),
            address=address,
            authorization=authorization,
            dialect=profile.dialect,
            attributes=mapped_attributes(schema),
            # A clock that is set back would keep the next request waiting for as long.
            clock=SteadyClock(),
            ids=self._ids,
            read_attempts=READ_ATTEMPTS,
            budget=None if budget_of is None else budget_of(address),
        )

    def examine(self, profile: Profile, secrets: Mapping[str, str], exchange: Exchange) -> Report:
        """Returns what an application really does, by requests that only read. Raises: JobFailure."""
        address, transport, authorization = self._way_in(profile, secrets, exchange)
        wrong = {"Authorization": f"Bearer wrong-{self._ids.new_id()}"}
        media_type = profile.dialect.media_type

        def send(request: HttpRequest, presented: Presented) -> HttpResponse:
            given = {Presented.OURS: authorization.headers(), Presented.NONE: {}, Presented.WRONG: wrong}[presented]
            headers = {"Accept": f"{media_type}, application/json;q=0.9", **request.headers, **given}
            return transport.send(replace(request, headers=headers), deadline=DEADLINE)

        with closing(transport):
            try:
                mark = self._ids.new_id().replace("-", "")
                return examine(Session(read_address(address), send, mark=mark), writes=False)
            except AddressInvalid as error:
                raise SystemUnreachable(str(error), remedy="Correct the Tenant URL.") from error
            except ExaminationRefused as error:
                raise CredentialsRefused(f"{profile.name} cannot be examined: {error}.") from error
            except ExchangeFailed as error:
                raise SystemUnreachable(f"{profile.name} cannot be examined: {error.sentence}") from error

    def _way_in(
        self, profile: Profile, secrets: Mapping[str, str], exchange: Exchange
    ) -> tuple[str, HttpTransport, Authorization]:
        known = resolve_references(secrets, self._settings.credentials_folder)
        address = known.get(SecretKey.BASE_ADDRESS)
        if not address:
            raise CredentialsRefused(
                f"{profile.name} has no Tenant URL.",
                remedy="Enter the Tenant URL and the Secret Token under Admin Credentials, then press Test Connection.",
            )
        login = read_login(known, profile.authentication_type)
        transport = self.open_transport(known)
        authorization = authorization_of(
            login,
            transport=transport,
            clock=self._clock,
            shelf=self._shelf,
            keep=_keeper(login, exchange) if isinstance(login, OAuthClient) else None,
        )
        return address, transport, authorization

    def exchange_code(self, secrets: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the secrets that the token endpoint gives for the authorization code among `secrets`.

        Raises: CredentialsRefused, SystemUnreachable.
        """
        known = resolve_references(secrets, self._settings.credentials_folder)
        client = read_client(known)
        grant = {"grant_type": "authorization_code", "code": known.get(SecretKey.OAUTH2_AUTHORIZATION_CODE, "")}
        redirect = known.get(SecretKey.OAUTH2_REDIRECT_URI)
        if redirect:
            grant["redirect_uri"] = redirect
        # The scopes were asked for where the code comes from (RFC 6749 §4.1.3 has none here).
        client = replace(client, scopes=None)
        with closing(self.open_transport(known)) as transport:
            return _as_secrets(request_token(client, grant, transport=transport, clock=self._clock))

    def look_at_certificate(self, secrets: Mapping[str, str]) -> PresentedCertificate:
        """Returns what the server of the Tenant URL presents, and whether it is trusted. Raises: SystemUnreachable."""
        known = resolve_references(secrets, self._settings.credentials_folder)
        address = known.get(SecretKey.BASE_ADDRESS, "")
        if self._settings.proxy is not None:
            raise SystemUnreachable(
                "The certificate cannot be looked at through a proxy.",
                remedy="Ask the application for the certificate of its authority and enter it as TrustedCertificates.",
            )
        guard = AddressGuard(allowed=self._settings.allow_targets)
        try:
            host = guard.check(address).host
            chain = look_at_chain(guard, address)
        except ExchangeFailed as error:
            raise SystemUnreachable(f"The certificate cannot be looked at: {error.sentence}.") from error
        problem = self._problem(address, known)
        return PresentedCertificate(host=host, chain=chain, problem=problem, trustable=find_trustable(chain))

    def _problem(self, address: str, secrets: Mapping[str, str]) -> str | None:
        """Why a connection as a target has it is refused: it is tried, and carries no credential."""
        with closing(self.open_transport(secrets)) as transport:
            try:
                transport.send(HttpRequest(method="GET", url=address), deadline=_TRY_WITHIN)
            except ExchangeFailed as error:
                return None if error.sent else error.sentence
        return None

    def open_transport(self, secrets: Mapping[str, str]) -> HttpTransport:
        """Returns a guarded transport with the certificates among the secrets. Raises: CredentialsRefused."""
        trust, settings = read_trust(secrets), self._settings
        pems = [settings.ca_file.read_bytes()] if settings.ca_file is not None else []
        if trust.trusted_pem is not None:
            pems.append(trust.trusted_pem.encode())
        try:
            if trust.identity_pem is not None:
                check_identity(trust.identity_pem, trust.identity_pem)
            return open_transport(
                allowed=settings.allow_targets,
                ca_pem=b"\n".join(pems) or None,
                identity_pem=None if trust.identity_pem is None else trust.identity_pem.encode(),
                proxy=settings.proxy,
            )
        except CertificateInvalid as error:
            raise CredentialsRefused(
                f"A certificate of the connection cannot be used: {error}.",
                remedy="Correct TrustedCertificates, ClientCertificate, ClientCertificateKey, or MUSTER_CA_FILE.",
            ) from error


def _keeper(client: OAuthClient, exchange: Exchange) -> KeepToken:
    """Keeps each token that takes the place of the one before, as long as nobody has entered another meanwhile."""
    used = client.refresh_token

    def keep(token: AccessToken) -> None:
        nonlocal used
        if exchange(used, _as_secrets(token)):
            used = token.refresh_token

    return keep


def _as_secrets(token: AccessToken) -> dict[str, str]:
    """A token as synchronization secrets; an empty value takes away what is no longer true."""
    expires = "" if token.expires_at is None else str(int(token.expires_at.timestamp()))
    given = {SecretKey.OAUTH2_ACCESS_TOKEN.value: token.token, SecretKey.TOKEN_EXPIRATION.value: expires}
    if token.refresh_token is not None:
        given[SecretKey.OAUTH2_REFRESH_TOKEN.value] = token.refresh_token
    return given
