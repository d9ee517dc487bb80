"""Many values as one parameter: a statement with `one_of` is compiled once, whatever their number.

An `IN` with a parameter for each value is written anew for every execution, which costs more than finding its rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Numbers(FunctionElement[int]):
    """The whole numbers of a JSON list."""

    inherit_cache = True


class _Texts(FunctionElement[str]):
    """The texts of a JSON list."""

    inherit_cache = True


@compiles(_Numbers, "sqlite")
@compiles(_Texts, "sqlite")
def _in_sqlite(element: FunctionElement[Any], compiler: SQLCompiler, **named: Any) -> str:
    return f"(SELECT value FROM json_each({_given(element, compiler, named)}))"  # noqa: S608  a parameter's mark


@compiles(_Numbers, "postgresql")
def _numbers_in_postgresql(element: FunctionElement[Any], compiler: SQLCompiler, **named: Any) -> str:
    return f"(SELECT CAST(value AS bigint) FROM {_elements(element, compiler, named)})"  # noqa: S608  the same


@compiles(_Texts, "postgresql")
def _texts_in_postgresql(element: FunctionElement[Any], compiler: SQLCompiler, **named: Any) -> str:
    return f"(SELECT value FROM {_elements(element, compiler, named)})"  # noqa: S608  the same


def _elements(element: FunctionElement[Any], compiler: SQLCompiler, named: Mapping[str, Any]) -> str:
    return f"json_array_elements_text(CAST({_given(element, compiler, named)} AS json))"


def _given(element: FunctionElement[Any], compiler: SQLCompiler, named: Mapping[str, Any]) -> str:
    return compiler.process(element.clauses, **named)


def one_of(column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
    """Returns the condition that a column has one of the values that `as_list` has made the parameter of that name."""
    values = _Numbers if isinstance(column.type, sa.Integer) else _Texts
    return column.op("IN", is_comparison=True)(values(sa.bindparam(parameter, type_=sa.Text)))


def as_list(values: Sequence[int] | Sequence[str]) -> str:
    """Returns values as the parameter of `one_of`. Texts with a NUL are left out: no column holds one, and SQLite would
    take what stands before it for the whole."""
    text = orjson.dumps(values).decode()
    if "\\u0000" in text:
        return orjson.dumps([value for value in values if isinstance(value, int) or "\0" not in value]).decode()
    return text
