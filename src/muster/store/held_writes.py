"""What ends holds from outside their job: somebody of whom something is held leaves or comes back."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.gallery.catalogue import clients_page
from muster.model.directory import ObjectKind
from muster.store.rows import pieces
from muster.store.tables import holds, jobs


def end_asked(connection: Connection, object_ids: Sequence[str]) -> None:
    """Ends what is held of these objects because a SCIM client asked for it, rejected or not."""
    if not object_ids:
        return
    # The one job whose holds are about objects of the directory itself.
    clients = clients_page().job_template_id
    job = connection.execute(sa.select(jobs.c.key).where(jobs.c.template_id == clients)).scalar()
    if job is None:
        return
    kinds = [kind.value for kind in ObjectKind]
    for piece in pieces(object_ids):
        connection.execute(
            sa.delete(holds).where(holds.c.job_key == job, holds.c.kind.in_(kinds), holds.c.source_id.in_(piece))
        )
