"""Single sign-on as an administrator sets it up: a customer's identity provider, and the domains that lead to it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager.customer import ConsoleRefusal, Customer
from muster.configuration_manager.tables import customers, sign_on_domains, sign_ons
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, is_unique_violation, upsert
from muster.saml.certificates import Certificate, read_certificate
from muster.saml.metadata import read_identity_provider
from muster.saml.names import SamlRefused
from muster.ui.marks import marked

SAML_PATH = "/saml2"
PROVIDERS = ("Microsoft Entra ID", "Okta", "Google", marked("Other SAML SSO provider"))
LIMIT_ADDRESS_CHARACTERS = 2_048
LIMIT_PROVIDER_CHARACTERS = 100
LIMIT_CERTIFICATES = 5
LIMIT_DOMAINS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnSettings:
    """A customer's identity provider. Raises ConsoleRefusal for what cannot be.

    `takes_unasked`: a sign-in may begin at the identity provider (its tile), not only here.
    """

    is_enabled: bool
    provider: str
    issuer: str
    login_url: str
    logout_url: str | None
    certificates: tuple[Certificate, ...]
    domains: tuple[str, ...] = ()
    takes_unasked: bool = True

    def __post_init__(self) -> None:
        """Raises ConsoleRefusal."""
        if not 0 < len(self.provider) <= LIMIT_PROVIDER_CHARACTERS or not self.provider.isprintable():
            raise ConsoleRefusal("name the SSO provider")
        if not 0 < len(self.issuer) <= LIMIT_ADDRESS_CHARACTERS or not self.issuer.isprintable():
            raise ConsoleRefusal("enter the IDP Issuer URL/URN: the identity provider calls it Identifier or entityID")
        _check_address("IDP Login URL", self.login_url)
        if self.logout_url is not None:
            _check_address("IDP Logout URL", self.logout_url)
        if not 0 < len(self.certificates) <= LIMIT_CERTIFICATES:
            raise ConsoleRefusal(f"give the identity provider's signing certificate; up to {LIMIT_CERTIFICATES}")
        if len(self.domains) > LIMIT_DOMAINS:
            raise ConsoleRefusal(f"a customer has at most {LIMIT_DOMAINS} domains")
        for domain in self.domains:
            if "." not in domain or not all(part.replace("-", "").isalnum() for part in domain.split(".")):
                raise ConsoleRefusal(f"{domain!r} is no domain: give them as in addresses, such as contoso.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAddresses:
    """What the identity provider needs of us. Source: 8x8, SAML: identifier and reply URL are the same address."""

    entity_id: str
    reply_url: str
    sign_on_url: str
    logout_url: str
    metadata_url: str


def addresses_of(public_url: str) -> ServiceAddresses:
    """The addresses below the public one; all customers share them."""
    root = f"{public_url.rstrip('/')}{SAML_PATH}"
    return ServiceAddresses(
        entity_id=root,
        reply_url=root,
        sign_on_url=f"{root}/sign-in",
        logout_url=f"{root}/logout",
        metadata_url=f"{root}/metadata",
    )


class SignOns:
    """The settings of all customers."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def get(self, customer: Customer) -> SignOnSettings | None:
        """A customer's settings, None before they are made."""
        return self.of_customer(customer.key)

    def of_customer(self, customer_key: int) -> SignOnSettings | None:
        """The settings of a customer by its key."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(sign_ons).where(sign_ons.c.customer_key == customer_key)).first()
            return None if row is None else _settings(connection, row)

    def put(self, customer: Customer, settings: SignOnSettings) -> None:
        """Keeps a customer's settings. Raises ConsoleRefusal for an issuer or a domain that another customer has."""
        row = {
            "customer_key": customer.key,
            "enabled": settings.is_enabled,
            "provider": settings.provider,
            "issuer": settings.issuer,
            "login_url": settings.login_url,
            "logout_url": settings.logout_url,
            "certificates": "".join(each.pem for each in settings.certificates),
            "from_provider": settings.takes_unasked,
        }

        def work(connection: Connection) -> None:
            upsert(connection, sign_ons, row, keys=("customer_key",))
            connection.execute(sa.delete(sign_on_domains).where(sign_on_domains.c.customer_key == customer.key))
            if settings.domains:
                rows = [{"domain": each, "customer_key": customer.key} for each in settings.domains]
                connection.execute(sa.insert(sign_on_domains), rows)

        try:
            self._writer.run(work)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise ConsoleRefusal(
                "another customer has this issuer, or one of these domains: each belongs to one customer"
            ) from None

    def change(
        self,
        customer: Customer,
        *,
        metadata: bytes | None = None,
        certificate: bytes | None = None,
        keeps_certificates: bool = False,
        provider: str | None = None,
        issuer: str | None = None,
        login_url: str | None = None,
        logout_url: str | None = None,
        domains: str | None = None,
        is_enabled: bool | None = None,
        takes_unasked: bool | None = None,
    ) -> SignOnSettings:
        """The settings with what is given; None leaves what is there, "" takes it away. Raises ConsoleRefusal.

        Metadata counts before single values. A new certificate stands beside the old ones if those are kept.
        """
        present = self.get(customer)
        try:
            read = None if metadata is None else read_identity_provider(metadata)
            added = (read_certificate(certificate),) if certificate is not None else read.certificates if read else ()
        except SamlRefused as refused:
            raise ConsoleRefusal(refused.sentence.rstrip(".")) from None
        kept = () if present is None or (added and not keeps_certificates) else present.certificates
        if read is not None:
            issuer, login_url, logout_url = read.entity_id, read.sign_on_url, read.logout_url or ""
        before = present or _Blank()
        settings = SignOnSettings(
            is_enabled=before.is_enabled if is_enabled is None else is_enabled,
            provider=before.provider if provider is None else provider.strip(),
            issuer=before.issuer if issuer is None else issuer.strip(),
            login_url=before.login_url if login_url is None else login_url.strip(),
            logout_url=before.logout_url if logout_url is None else logout_url.strip() or None,
            certificates=tuple(dict.fromkeys((*added, *kept)))[:LIMIT_CERTIFICATES],
            domains=before.domains if domains is None else _domains_of(domains),
            takes_unasked=before.takes_unasked if takes_unasked is None else takes_unasked,
        )
        self.put(customer, settings)
        return settings

    def remove(self, customer: Customer) -> None:
        """Forgets a customer's settings: its people cannot sign in here any more."""
        where = sign_ons.c.customer_key == customer.key
        self._writer.run(lambda connection: connection.execute(sa.delete(sign_ons).where(where)))

    def of_issuer(self, issuer: str) -> tuple[int, str, SignOnSettings] | None:
        """Key and name of the customer with this issuer, and the settings, if they are switched on."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(sign_ons, customers.c.name)
                .join(customers, customers.c.key == sign_ons.c.customer_key)
                .where(sign_ons.c.issuer == issuer, sign_ons.c.enabled)
            ).first()
            return None if row is None else (row.customer_key, row.name, _settings(connection, row))


class _Blank:
    """What stands in the fields before anything is set up."""

    is_enabled = True
    provider = PROVIDERS[0]
    issuer = login_url = ""
    logout_url = None
    domains = ()
    takes_unasked = True


def _domains_of(text: str) -> tuple[str, ...]:
    """Domains as they are entered, between commas or blanks."""
    return tuple(dict.fromkeys(text.lower().replace(",", " ").split()))


def _settings(connection: Connection, row: sa.Row[tuple[object, ...]]) -> SignOnSettings:
    values = row._mapping
    domains = connection.scalars(
        sa.select(sign_on_domains.c.domain)
        .where(sign_on_domains.c.customer_key == values["customer_key"])
        .order_by(sign_on_domains.c.domain)
    )
    end = "-----END CERTIFICATE-----\n"
    return SignOnSettings(
        is_enabled=bool(values["enabled"]),
        provider=values["provider"],
        issuer=values["issuer"],
        login_url=values["login_url"],
        logout_url=values["logout_url"],
        certificates=tuple(
            read_certificate((pem + end).encode()) for pem in values["certificates"].split(end) if pem.strip()
        ),
        domains=tuple(domains),
        takes_unasked=bool(values["from_provider"]),
    )


def _check_address(what: str, address: str) -> None:
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("https", "http") and bool(parts.hostname) and not parts.username
    except ValueError:
        is_address = False
    if not is_address or len(address) > LIMIT_ADDRESS_CHARACTERS or not address.isprintable() or " " in address:
        raise ConsoleRefusal(f"the {what} must be an address that begins with https://")
