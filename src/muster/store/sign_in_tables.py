"""Tables of signing in: people's passwords, second factors, and the log of sign-ins."""

import sqlalchemy as sa

from muster.database.columns import Instant

# Each module of tables knows the one before it, so that the last one knows them all.
from muster.store.mirror_tables import METADATA
from muster.store.tables import Folded, Key

__all__ = ["METADATA", "face_notes", "person_credentials", "recovery_codes", "second_factors", "sessions", "sign_ins"]

# By object id; no foreign key, as few people of a large directory have a password here.
person_credentials = sa.Table(
    "person_credentials",
    METADATA,
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("password_hash", sa.Text),
    sa.Column("must_change", sa.Boolean, nullable=False),
    sa.Column("changed_at", Instant),
    sa.Column("stamp", sa.Text, nullable=False),
    # The one link with which a password may be set.
    sa.Column("link_hash", sa.Text, unique=True),
    sa.Column("link_expires_at", Instant),
)

# Of people and of administrators: holders are known by their ids.
second_factors = sa.Table(
    "second_factors",
    METADATA,
    sa.Column("holder_id", sa.Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("confirmed_at", Instant),
    # The last step (RFC 6238) whose code was used.
    sa.Column("last_step", sa.BigInteger, nullable=False),
)

recovery_codes = sa.Table(
    "recovery_codes",
    METADATA,
    sa.Column("holder_id", sa.Text, sa.ForeignKey("second_factors.holder_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("code_hash", sa.Text, primary_key=True),
)

# Sessions at the faces, where several web processes share them; keys are hashes of secrets that only browsers have.
sessions = sa.Table(
    "sessions",
    METADATA,
    sa.Column("face", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("csrf_token", sa.Text, nullable=False, index=True),
    sa.Column("began_at", Instant, nullable=False, index=True),
    sa.Column("session", sa.LargeBinary, nullable=False),
)

# What faces note of browsers for a time, where several web processes share it: taken by whoever comes first.
face_notes = sa.Table(
    "face_notes",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("face", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
    sa.Column("note", sa.LargeBinary, nullable=False),
    sa.Index("face_notes_by_name", "face", "name"),
)

# No foreign keys: the log outlives people and applications.
sign_ins = sa.Table(
    "sign_ins",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("entry_id", sa.Text, nullable=False, unique=True),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("person_id", sa.Text),
    sa.Column("application_id", sa.Text),
    sa.Column("result", sa.Text, nullable=False),
    # Names, folded, for a search by a part.
    sa.Column("identity", Folded, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Index("sign_ins_of_person", "person_id", "key"),
    sa.Index("sign_ins_of_application", "application_id", "key"),
)
