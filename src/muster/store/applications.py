"""Enterprise applications, assignments and synchronization secrets on SQL."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database, upsert
from muster.model.application import AppRole, AppRoleAssignment, AwaitedAssignment, EnterpriseApplication, SecretKey
from muster.model.directory import ObjectKind
from muster.sealing import Sealer
from muster.store.access_tables import owners
from muster.store.assignments import insert_assignments, reassigned
from muster.store.awaited import read_awaited, write_awaited
from muster.store.changes import Cause, FeedChange, hold_feed, record
from muster.store.encoding import decode, encode
from muster.store.rows import object_key, pieces
from muster.store.tables import applications, objects
from muster.store.tables import assignments as held_roles
from muster.store.tables import secrets as sealed_secrets

_DEFAULT_PORTS = {"http": 80, "https": 443}


class SqlApplications:
    """The ApplicationStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, application: EnterpriseApplication) -> None:
        """Keeps a new application."""
        with self._database.write() as connection:
            connection.execute(
                sa.insert(applications).values(
                    service_principal_id=application.service_principal_id,
                    application_id=application.application_id,
                    app_id=application.app_id,
                    template_id=application.template_id,
                    display_name=application.display_name,
                    app_roles=encode(application.app_roles),
                    accepts_default_access=application.accepts_default_access,
                    is_enabled=application.is_enabled,
                    is_visible=application.is_visible,
                    notes=application.notes,
                    dialect=dict(application.dialect),
                    created_at=application.created_at,
                )
            )

    def get(self, name: str) -> EnterpriseApplication | None:
        """Returns an application by service principal id, application id, app id or exact display name."""
        columns = (
            applications.c.service_principal_id,
            applications.c.application_id,
            applications.c.app_id,
            applications.c.display_name,
        )
        with self._database.read() as connection:
            for column in columns:
                row = connection.execute(
                    sa.select(applications)
                    .where(column == name, applications.c.deleted_at.is_(None))
                    .order_by(applications.c.key)
                    .limit(1)
                ).first()
                if row is not None:
                    return _application(row)
        return None

    def list(self) -> Sequence[EnterpriseApplication]:
        """Returns all applications by display name."""
        return self._list(applications.c.deleted_at.is_(None))

    def deleted(self) -> Sequence[EnterpriseApplication]:
        """Returns what is in the recycle bin, by display name."""
        return self._list(applications.c.deleted_at.is_not(None))

    def set_deleted(self, service_principal_id: str, at: datetime | None) -> None:
        """Puts an application into the recycle bin, or takes it out. Raises LookupError."""
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            connection.execute(sa.update(applications).where(applications.c.key == key).values(deleted_at=at))

    def _list(self, which: sa.ColumnElement[bool]) -> Sequence[EnterpriseApplication]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(applications).where(which).order_by(applications.c.key)).all()
        return sorted((_application(row) for row in rows), key=lambda found: found.display_name.casefold())

    def change(
        self,
        service_principal_id: str,
        *,
        display_name: str | None = None,
        app_roles: Sequence[AppRole] | None = None,
        accepts_default_access: bool | None = None,
        is_enabled: bool | None = None,
        is_visible: bool | None = None,
        dialect: Mapping[str, Any] | None = None,
    ) -> EnterpriseApplication:
        """Changes what is given. Raises LookupError."""
        with self._database.write() as connection:
            hold_feed(connection)
            key = application_key(connection, service_principal_id)
            stored = connection.execute(sa.select(applications).where(applications.c.key == key)).one()
            # Changes of these alter what people are entitled to or the roles they carry.
            bearing = {
                "app_roles": stored.app_roles if app_roles is None else encode(tuple(app_roles)),
                "accepts_default_access": (
                    stored.accepts_default_access if accepts_default_access is None else accepts_default_access
                ),
                "is_enabled": stored.is_enabled if is_enabled is None else is_enabled,
            }
            if any(getattr(stored, name) != value for name, value in bearing.items()):
                record(connection, [FeedChange(cause=Cause.APPLICATION, application_key=key)])
            values = {**bearing, "display_name": display_name or stored.display_name}
            if is_visible is not None:
                values["is_visible"] = is_visible
            if dialect is not None:
                values["dialect"] = dict(dialect)
            connection.execute(sa.update(applications).where(applications.c.key == key).values(values))
            return _application(connection.execute(sa.select(applications).where(applications.c.key == key)).one())

    def remove(self, service_principal_id: str) -> None:
        """Removes an application with its assignments, credentials and jobs. Raises LookupError."""
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            connection.execute(sa.delete(owners).where(owners.c.subject_id == service_principal_id))
            connection.execute(sa.delete(applications).where(applications.c.key == key))

    def assign(self, assignments: Sequence[AppRoleAssignment]) -> Sequence[AppRoleAssignment | None]:
        """Keeps assignments in one transaction; None for one that is there already. Raises LookupError."""
        with self._database.write() as connection:
            hold_feed(connection)
            application_keys = {
                name: application_key(connection, name) for name in {each.service_principal_id for each in assignments}
            }
            principals = _principals(connection, {each.principal_id for each in assignments})
            rows = [
                {
                    "assignment_id": each.id,
                    "application_key": application_keys[each.service_principal_id],
                    "principal_key": principals[each.principal_id][0],
                    "is_group": principals[each.principal_id][1],
                    "role_id": each.role_id,
                    "created_at": each.created_at,
                }
                for each in assignments
            ]
            new = insert_assignments(connection, rows)
            record(connection, [reassigned(row["application_key"], row["principal_key"]) for row in new])
        kept = {row["assignment_id"] for row in new}
        return [each if each.id in kept else None for each in assignments]

    def unassign(self, assignment_id: str) -> AppRoleAssignment | None:
        """Removes an assignment and returns it; None if unknown."""
        with self._database.write() as connection:
            hold_feed(connection)
            row = connection.execute(_select_assignments().where(held_roles.c.assignment_id == assignment_id)).first()
            if row is None:
                return None
            connection.execute(sa.delete(held_roles).where(held_roles.c.key == row.key))
            record(connection, [reassigned(row.application_key, row.principal_key)])
        return _assignment(row)

    def assignments(
        self, *, service_principal_id: str | None = None, principal_id: str | None = None
    ) -> Sequence[AppRoleAssignment]:
        """Returns assignments of an application or of a principal, in the order in which they were made."""
        statement = _select_assignments().order_by(held_roles.c.key)
        with self._database.read() as connection:
            if service_principal_id is not None:
                key = application_key(connection, service_principal_id)
                statement = statement.where(held_roles.c.application_key == key)
            if principal_id is not None:
                statement = statement.where(held_roles.c.principal_key == object_key(connection, principal_id))
            return [_assignment(row) for row in connection.execute(statement)]

    def awaited(self, service_principal_id: str) -> Sequence[AwaitedAssignment]:
        """Returns what is given once the directory has whom it is for, in the order of names."""
        with self._database.read() as connection:
            return read_awaited(connection, application_key(connection, service_principal_id))

    def set_awaited(self, service_principal_id: str, awaited: Sequence[AwaitedAssignment]) -> None:
        """Replaces that list; one for a name and role that stands in it already is left out. Raises LookupError."""
        with self._database.write() as connection:
            hold_feed(connection)
            write_awaited(connection, application_key(connection, service_principal_id), awaited)


class SqlSecrets:
    """The SecretStore on SQL: sealed values, and the target's address as a digest to compare by."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def put(self, service_principal_id: str, secrets: Mapping[str, str]) -> None:
        """Replaces the list; a key with an empty value is removed. Raises LookupError."""
        kept = {name: value for name, value in secrets.items() if value}
        address = kept.get(SecretKey.BASE_ADDRESS)
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            self._replace(connection, key, service_principal_id, kept)
            digest = None if address is None else address_digest(address)
            connection.execute(sa.update(applications).where(applications.c.key == key).values(address_digest=digest))

    def get(self, service_principal_id: str) -> Mapping[str, str]:
        """Returns the secrets in the clear. Raises LookupError, SealingError."""
        with self._database.read() as connection:
            return self._read(connection, application_key(connection, service_principal_id), service_principal_id)

    def names(self, service_principal_id: str) -> Sequence[str]:
        """Returns what is kept, whatever key it is sealed with. Raises LookupError."""
        with self._database.read() as connection:
            of_application = sealed_secrets.c.application_key == application_key(connection, service_principal_id)
            statement = sa.select(sealed_secrets.c.name).where(of_application).order_by(sealed_secrets.c.name)
            return connection.scalars(statement).all()

    def exchange_tokens(self, service_principal_id: str, used: str | None, given: Mapping[str, str]) -> bool:
        """Keeps what came for a refresh token, if that is still the stored one. Raises LookupError, SealingError."""
        with self._database.write() as connection:
            key = application_key(connection, service_principal_id)
            # The row of the application stands for the whole list: two that exchange at once take turns.
            connection.execute(sa.select(applications.c.key).where(applications.c.key == key).with_for_update())
            stored = self._read(connection, key, service_principal_id)
            if stored.get(SecretKey.OAUTH2_REFRESH_TOKEN) != used:
                return False
            merged = {name: value for name, value in {**stored, **given}.items() if value}
            self._replace(connection, key, service_principal_id, merged)
        return True

    def reseal(self) -> int:
        """Seals anew what was sealed with an older key, in one transaction. Raises SealingError."""
        named = sa.select(
            sealed_secrets.c.application_key,
            sealed_secrets.c.name,
            sealed_secrets.c.sealed,
            applications.c.service_principal_id,
        ).join(applications, applications.c.key == sealed_secrets.c.application_key)
        with self._database.write() as connection:
            older = [row for row in connection.execute(named) if not self._sealer.is_current(row.sealed)]
            rows = []
            for row in older:
                field = _field(row.service_principal_id, row.name)
                sealed = self._sealer.seal(self._sealer.unseal(row.sealed, field=field), field=field)
                rows.append({"of_application": row.application_key, "named": row.name, "anew": sealed})
            if rows:
                table = sealed_secrets
                connection.execute(
                    sa.update(table)
                    .where(
                        table.c.application_key == sa.bindparam("of_application"), table.c.name == sa.bindparam("named")
                    )
                    .values(sealed=sa.bindparam("anew")),
                    rows,
                )
        return len(rows)

    def _read(self, connection: Connection, key: int, service_principal_id: str) -> dict[str, str]:
        rows = connection.execute(
            sa.select(sealed_secrets.c.name, sealed_secrets.c.sealed)
            .where(sealed_secrets.c.application_key == key)
            .order_by(sealed_secrets.c.position)
        ).all()
        return {row.name: self._sealer.unseal(row.sealed, field=_field(service_principal_id, row.name)) for row in rows}

    def _replace(self, connection: Connection, key: int, service_principal_id: str, kept: Mapping[str, str]) -> None:
        connection.execute(sa.delete(sealed_secrets).where(sealed_secrets.c.application_key == key))
        rows = [
            {
                "application_key": key,
                "name": str(name),
                "position": position,
                "sealed": self._sealer.seal(value, field=_field(service_principal_id, name)),
            }
            for position, (name, value) in enumerate(kept.items())
        ]
        upsert(connection, sealed_secrets, rows, keys=("application_key", "name"))


def application_key(connection: Connection, service_principal_id: str) -> int:
    """Returns an application's key. Raises LookupError."""
    key = connection.execute(
        sa.select(applications.c.key).where(applications.c.service_principal_id == service_principal_id)
    ).scalar()
    if key is None:
        raise LookupError(f"there is no enterprise application {service_principal_id}")
    return int(key)


def address_digest(address: str) -> str:
    """Returns what is equal for two spellings of one address: case of the host, default port, last slash, flags."""
    parts = urlsplit(address.strip())
    scheme = parts.scheme.lower()
    try:
        port = parts.port
    except ValueError:
        port = None
    host = f"{parts.hostname or ''}:{port or _DEFAULT_PORTS.get(scheme, 0)}"
    return hashlib.sha256(f"{scheme}://{host}{parts.path.rstrip('/')}".encode()).hexdigest()


def _principals(connection: Connection, object_ids: set[str]) -> dict[str, tuple[int, bool]]:
    """Returns principals' keys and whether they are groups. Raises LookupError."""
    found: dict[str, tuple[int, bool]] = {}
    for piece in pieces(object_ids):
        rows = connection.execute(
            sa.select(objects.c.object_id, objects.c.key, objects.c.kind).where(objects.c.object_id.in_(piece))
        )
        found.update((row.object_id, (row.key, row.kind == ObjectKind.GROUP.value)) for row in rows)
    unknown = object_ids - found.keys()
    if unknown:
        raise LookupError(f"the directory has no object {min(unknown)}")
    return found


def _field(service_principal_id: str, name: str) -> str:
    return f"servicePrincipals/{service_principal_id}/secrets/{name}"


def _select_assignments() -> sa.Select[Any]:
    return (
        sa.select(held_roles, applications.c.service_principal_id, objects.c.object_id, objects.c.kind, objects.c.name)
        .join(applications, applications.c.key == held_roles.c.application_key)
        .join(objects, objects.c.key == held_roles.c.principal_key)
        .where(applications.c.deleted_at.is_(None))
    )


def _assignment(row: Row[Any]) -> AppRoleAssignment:
    return AppRoleAssignment(
        id=row.assignment_id,
        service_principal_id=row.service_principal_id,
        principal_id=row.object_id,
        principal_kind=ObjectKind(row.kind),
        principal_display_name=row.name,
        role_id=row.role_id,
        created_at=row.created_at,
    )


def _application(row: Row[Any]) -> EnterpriseApplication:
    return EnterpriseApplication(
        service_principal_id=row.service_principal_id,
        application_id=row.application_id,
        app_id=row.app_id,
        template_id=row.template_id,
        display_name=row.display_name,
        app_roles=decode(row.app_roles, tuple[AppRole, ...]),
        accepts_default_access=row.accepts_default_access,
        is_enabled=row.is_enabled,
        is_visible=row.is_visible,
        notes=row.notes,
        dialect=row.dialect or {},
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )
