"""Accounts at the target that a job does not manage, on SQL."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy import Row

from muster.database.connection import Database, upsert
from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.job import Cycle
from muster.store.census_tables import discovered
from muster.store.jobs import job_key
from muster.store.tables import jobs

_KEYS = ("job_key", "kind", "target_id")
# So much of a name says where an account stands in the list.
_ORDERED_CHARACTERS = 100


class SqlDiscovery:
    """The DiscoveryStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, cycle: Cycle, accounts: Sequence[DiscoveredAccount]) -> None:
        """Keeps accounts as this cycle found them."""
        if not accounts:
            return
        with self._database.write() as connection:
            job = job_key(connection, cycle.job_id)
            rows = [
                {
                    "job_key": job,
                    "kind": account.kind.value,
                    "target_id": account.target_id,
                    "cycle_id": cycle.id,
                    "display_name": account.display_name,
                    "standing": account.standing.value,
                    "matching": account.matching,
                    "source_id": account.source_id,
                    "source_name": account.source_name,
                    "folded_name": _folded_name(account),
                }
                for account in accounts
            ]
            upsert(connection, discovered, rows, keys=_KEYS)

    def drop_others(self, cycle: Cycle) -> None:
        """Drops what earlier cycles of the job have found."""
        with self._database.write() as connection:
            mine = discovered.c.job_key == job_key(connection, cycle.job_id)
            connection.execute(sa.delete(discovered).where(mine, discovered.c.cycle_id != cycle.id))

    def accounts(
        self, job_id: str, standing: Standing | None, limit: int, after: str | None
    ) -> tuple[Sequence[DiscoveredAccount], str | None]:
        """Returns accounts by kind and name; the key to go on after is `kind name id`, each as in a URL."""
        order = (discovered.c.kind, discovered.c.folded_name, discovered.c.target_id)
        statement = (
            sa.select(discovered)
            .join(jobs, jobs.c.key == discovered.c.job_key)
            .where(jobs.c.job_id == job_id)
            .order_by(*order)
            .limit(limit + 1)
        )
        if standing is not None:
            statement = statement.where(discovered.c.standing == standing.value)
        if after is not None:
            kind, name, target_id = (*map(unquote, after.split(" ", 2)), "", "")[:3]
            statement = statement.where(sa.tuple_(*order) > sa.tuple_(kind, name, target_id))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        shown = rows[:limit]
        found = [_account(row) for row in shown]
        return found, _place_of(shown[-1]) if len(rows) > limit else None

    def by_matching(self, job_id: str, kind: ObjectKind) -> Mapping[str, Sequence[DiscoveredAccount]]:
        """Returns all accounts of a kind that have a value to be matched by, by that value."""
        statement = (
            sa.select(discovered)
            .join(jobs, jobs.c.key == discovered.c.job_key)
            .where(jobs.c.job_id == job_id, discovered.c.kind == kind.value, discovered.c.matching.is_not(None))
        )
        found: dict[str, list[DiscoveredAccount]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement):
                found.setdefault(row.matching, []).append(_account(row))
        return found

    def count(self, job_id: str) -> Mapping[Standing, int]:
        """Returns how many there are of each standing."""
        statement = (
            sa.select(discovered.c.standing, sa.func.count())
            .join(jobs, jobs.c.key == discovered.c.job_key)
            .where(jobs.c.job_id == job_id)
            .group_by(discovered.c.standing)
        )
        with self._database.read() as connection:
            counted = {Standing(row[0]): int(row[1]) for row in connection.execute(statement)}
        return {standing: counted.get(standing, 0) for standing in Standing}


def _folded_name(account: DiscoveredAccount) -> str:
    return (account.display_name or account.matching or account.target_id).casefold()[:_ORDERED_CHARACTERS]


def _place_of(row: Row[Any]) -> str:
    return " ".join(quote(part, safe="") for part in (row.kind, row.folded_name, row.target_id))


def _account(row: Row[Any]) -> DiscoveredAccount:
    return DiscoveredAccount(
        kind=ObjectKind(row.kind),
        target_id=row.target_id,
        display_name=row.display_name,
        standing=Standing(row.standing),
        matching=row.matching,
        source_id=row.source_id,
        source_name=row.source_name,
    )
