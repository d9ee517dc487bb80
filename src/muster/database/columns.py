"""Column types that are the same in both dialects."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, ColumnElement, Connection, DateTime, Integer, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TEXT, TypeDecorator, TypeEngine

# The Julian day on which 1970 began.
_EPOCH_DAY = 2_440_587.5


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC: `timestamptz` on PostgreSQL; on SQLite ISO 8601 text of fixed width: it sorts."""

    impl = TEXT
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else TEXT())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be stored")
        instant = value if value.tzinfo is UTC else value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (inherited)
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


Json = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def dump_json(value: Any) -> str:
    """Returns a document as the text that is stored."""
    return orjson.dumps(value).decode()


# Of the pool of either database.
ENGINE_OPTIONS: Mapping[str, Any] = {
    "json_serializer": dump_json,
    "json_deserializer": orjson.loads,
    "hide_parameters": True,  # they are people's attributes and secrets, and errors are logged
}


def server_seconds(connection: Connection) -> ColumnElement[Any]:
    """Returns an expression for the server's time in seconds, as it is evaluated: one clock for all machines."""
    if connection.dialect.name == "postgresql":
        return func.extract("epoch", func.clock_timestamp())
    return (func.julianday("now") - _EPOCH_DAY) * 86_400.0


class position_of(FunctionElement[int]):
    """An expression for where the second text begins in the first, from 1; 0 where it does not occur.

    Letter case counts, and no character has a meaning of its own: unlike LIKE.
    """

    type = Integer()
    inherit_cache = True


@compiles(position_of)
def _write_instr(element: position_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(position_of, "postgresql")
def _write_strpos(element: position_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"
