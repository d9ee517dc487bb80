"""Second factors on SQL: secrets sealed, steps and recovery codes used once by one statement each."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database
from muster.ports.sign_ins import SecondFactor
from muster.sealing import Sealer, SealingError
from muster.store.sign_in_tables import recovery_codes, second_factors

_NO_STEP = -1


class SqlSecondFactors:
    """The SecondFactorStore on SQL."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def get(self, holder_id: str) -> SecondFactor | None:
        """Returns the holder's second factor."""
        left = sa.select(sa.func.count()).where(recovery_codes.c.holder_id == second_factors.c.holder_id)
        statement = sa.select(
            second_factors.c.sealed, second_factors.c.confirmed_at, left.scalar_subquery().label("codes_left")
        ).where(second_factors.c.holder_id == holder_id)
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        return SecondFactor(
            holder_id=holder_id,
            secret=self._opened(row.sealed, holder_id),
            confirmed_at=row.confirmed_at,
            codes_left=row.codes_left,
        )

    def _opened(self, sealed: bytes, holder_id: str) -> str | None:
        try:
            return self._sealer.unseal(sealed, field=_field(holder_id))
        except SealingError:
            return None

    def begin(self, holder_id: str, secret: str) -> None:
        """Keeps a secret that is not confirmed yet. Raises ValueError if a confirmed one is there."""
        of_them = second_factors.c.holder_id == holder_id
        with self._database.write() as connection:
            connection.execute(sa.delete(second_factors).where(of_them, second_factors.c.confirmed_at.is_(None)))
            if connection.execute(sa.select(second_factors.c.holder_id).where(of_them)).first() is not None:
                raise ValueError("there is a second factor already: remove it first")
            sealed = self._sealer.seal(secret, field=_field(holder_id))
            connection.execute(sa.insert(second_factors).values(holder_id=holder_id, sealed=sealed, last_step=_NO_STEP))

    def confirm(self, holder_id: str, step: int, recovery_hashes: Sequence[str], at: datetime) -> bool:
        """Confirms the secret with the step whose code was given, and uses it; False if that was done before."""
        unconfirmed = sa.and_(second_factors.c.holder_id == holder_id, second_factors.c.confirmed_at.is_(None))
        with self._database.write() as connection:
            done = connection.execute(
                sa.update(second_factors).where(unconfirmed).values(confirmed_at=at, last_step=step)
            )
            if done.rowcount == 0:
                return False
            _put_codes(connection, holder_id, recovery_hashes)
        return True

    def use_step(self, holder_id: str, step: int) -> bool:
        """Uses up a step and all before it; False if it was used already. Of two at once one gets True."""
        fresh = sa.and_(
            second_factors.c.holder_id == holder_id,
            second_factors.c.confirmed_at.is_not(None),
            second_factors.c.last_step < step,
        )
        with self._database.write() as connection:
            return connection.execute(sa.update(second_factors).where(fresh).values(last_step=step)).rowcount == 1

    def use_recovery_code(self, holder_id: str, code_hash: str) -> bool:
        """Uses up a recovery code; False if there is none such."""
        it = sa.and_(recovery_codes.c.holder_id == holder_id, recovery_codes.c.code_hash == code_hash)
        with self._database.write() as connection:
            return connection.execute(sa.delete(recovery_codes).where(it)).rowcount == 1

    def renew_recovery_codes(self, holder_id: str, recovery_hashes: Sequence[str]) -> None:
        """Keeps other recovery codes in place of those before."""
        with self._database.write() as connection:
            _put_codes(connection, holder_id, recovery_hashes)

    def remove(self, holder_id: str) -> bool:
        """Removes the second factor and its recovery codes; False if there is none."""
        with self._database.write() as connection:
            connection.execute(sa.delete(recovery_codes).where(recovery_codes.c.holder_id == holder_id))
            gone = sa.delete(second_factors).where(second_factors.c.holder_id == holder_id)
            return connection.execute(gone).rowcount > 0

    def reseal(self) -> int:
        """Seals with the key in force what was sealed with an older one, all or nothing; returns how many."""
        with self._database.write() as connection:
            stored = connection.execute(sa.select(second_factors.c.holder_id, second_factors.c.sealed)).all()
            older = [row for row in stored if not self._sealer.is_current(row.sealed)]
            for row in older:
                field = _field(row.holder_id)
                anew = self._sealer.seal(self._sealer.unseal(row.sealed, field=field), field=field)
                of_them = second_factors.c.holder_id == row.holder_id
                connection.execute(sa.update(second_factors).where(of_them).values(sealed=anew))
        return len(older)


def _put_codes(connection: Connection, holder_id: str, hashes: Sequence[str]) -> None:
    connection.execute(sa.delete(recovery_codes).where(recovery_codes.c.holder_id == holder_id))
    connection.execute(sa.insert(recovery_codes), [{"holder_id": holder_id, "code_hash": each} for each in hashes])


def _field(holder_id: str) -> str:
    return f"secondFactors/{holder_id}"
