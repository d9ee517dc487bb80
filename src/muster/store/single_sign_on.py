"""Settings and signing keys of single sign-on on SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.database.connection import Database, is_unique_violation, upsert
from muster.model.single_sign_on import SamlSettings, SigningCertificate
from muster.ports.single_sign_on import IdentifierTaken
from muster.sealing import Sealer
from muster.store.applications import application_key
from muster.store.encoding import decode, encode
from muster.store.single_sign_on_tables import saml_keys, saml_settings
from muster.store.tables import applications


class SqlSingleSignOn:
    """The SingleSignOnStore on SQL."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def settings(self, service_principal_id: str) -> SamlSettings | None:
        """Returns an application's settings."""
        query = _of(sa.select(saml_settings.c.settings), saml_settings, service_principal_id)
        with self._database.read() as connection:
            document = connection.scalar(query)
        return None if document is None else decode(document, SamlSettings)

    def all_settings(self) -> Mapping[str, SamlSettings]:
        """Returns the settings of all applications that have some, by service principal id."""
        query = sa.select(applications.c.service_principal_id, saml_settings.c.settings).join(
            applications, applications.c.key == saml_settings.c.application_key
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.service_principal_id: decode(row.settings, SamlSettings) for row in rows}

    def put(self, service_principal_id: str, settings: SamlSettings) -> None:
        """Keeps settings. Raises: IdentifierTaken, LookupError."""
        try:
            with self._database.write() as connection:
                row = {
                    "application_key": application_key(connection, service_principal_id),
                    "identifier": settings.identifier,
                    "settings": encode(settings),
                }
                upsert(connection, saml_settings, row, keys=("application_key",))
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise IdentifierTaken from None

    def of_identifier(self, identifier: str) -> str | None:
        """Returns the service principal id of the application with an identifier."""
        query = (
            sa.select(applications.c.service_principal_id)
            .join(saml_settings, saml_settings.c.application_key == applications.c.key)
            .where(saml_settings.c.identifier == identifier, applications.c.deleted_at.is_(None))
        )
        with self._database.read() as connection:
            found: str | None = connection.scalar(query)
        return found

    def certificates(self, service_principal_id: str) -> Sequence[SigningCertificate]:
        """Returns an application's certificates, the newest first."""
        query = _of(sa.select(saml_keys.c.certificate, saml_keys.c.is_active), saml_keys, service_principal_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(saml_keys.c.created_at.desc(), saml_keys.c.key_id)).all()
        return [_certificate(row.certificate, is_active=row.is_active) for row in rows]

    def all_certificates(self) -> Sequence[tuple[str, SigningCertificate]]:
        """Returns the active certificates of all applications."""
        query = (
            sa.select(applications.c.service_principal_id, saml_keys.c.certificate)
            .join(saml_keys, saml_keys.c.application_key == applications.c.key)
            .where(saml_keys.c.is_active, applications.c.deleted_at.is_(None))
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [(row.service_principal_id, _certificate(row.certificate, is_active=True)) for row in rows]

    def add_key(self, service_principal_id: str, certificate: SigningCertificate, key_pem: str) -> None:
        """Keeps a key with its certificate."""
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            if certificate.is_active:
                _deactivate(connection, key)
            connection.execute(
                sa.insert(saml_keys).values(
                    key_id=certificate.key_id,
                    application_key=key,
                    is_active=certificate.is_active,
                    created_at=certificate.not_before,
                    certificate=encode(certificate),
                    sealed=self._sealer.seal(key_pem, field=_field(certificate.key_id)),
                )
            )

    def activate(self, service_principal_id: str, key_id: str) -> bool:
        """Makes a certificate the one that signs."""
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            mine = (saml_keys.c.application_key == key, saml_keys.c.key_id == key_id)
            if connection.scalar(sa.select(saml_keys.c.key_id).where(*mine)) is None:
                return False
            _deactivate(connection, key)
            connection.execute(sa.update(saml_keys).where(*mine).values(is_active=True))
        return True

    def remove_key(self, service_principal_id: str, key_id: str) -> bool:
        """Removes a certificate that is not active."""
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            done = connection.execute(
                sa.delete(saml_keys).where(
                    saml_keys.c.application_key == key, saml_keys.c.key_id == key_id, saml_keys.c.is_active.is_(False)
                )
            )
        return bool(done.rowcount)

    def active_key(self, service_principal_id: str) -> tuple[SigningCertificate, str] | None:
        """Returns the certificate that signs and its private key."""
        query = _of(sa.select(saml_keys.c.certificate, saml_keys.c.sealed), saml_keys, service_principal_id)
        with self._database.read() as connection:
            row = connection.execute(query.where(saml_keys.c.is_active)).first()
        if row is None:
            return None
        certificate = _certificate(row.certificate, is_active=True)
        return certificate, self._sealer.unseal(row.sealed, field=_field(certificate.key_id))

    def reseal(self) -> int:
        """Seals anew what was sealed with an older key, in one transaction."""
        done = 0
        with self._database.write() as connection:
            for row in connection.execute(sa.select(saml_keys.c.key_id, saml_keys.c.sealed)).all():
                if self._sealer.is_current(row.sealed):
                    continue
                key_pem = self._sealer.unseal(row.sealed, field=_field(row.key_id))
                sealed = self._sealer.seal(key_pem, field=_field(row.key_id))
                connection.execute(sa.update(saml_keys).where(saml_keys.c.key_id == row.key_id).values(sealed=sealed))
                done += 1
        return done


def _of(query: sa.Select[Any], table: sa.Table, service_principal_id: str) -> sa.Select[Any]:
    return query.join(applications, applications.c.key == table.c.application_key).where(
        applications.c.service_principal_id == service_principal_id
    )


def _deactivate(connection: Connection, application: int) -> None:
    where = saml_keys.c.application_key == application
    connection.execute(sa.update(saml_keys).where(where).values(is_active=False))


def _certificate(document: bytes, *, is_active: bool) -> SigningCertificate:
    return replace(decode(document, SigningCertificate), is_active=is_active)


def _field(key_id: str) -> str:
    return f"saml-key/{key_id}"
