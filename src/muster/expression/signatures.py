"""What the table of functions is made of: functions, parameters, examples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from muster.expression.values import Value


class ParameterType(StrEnum):
    """The types of `attributeMappingFunctionSchema`, in Graph's spelling."""

    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    REFERENCE = "Reference"
    BINARY = "Binary"


class FunctionList(StrEnum):
    """Where a function is documented: the current published list, other official lists, or nowhere but here."""

    PUBLISHED = "published"
    EXTENDED = "extended"
    OURS = "ours"


class Topic(StrEnum):
    """The chapter of the reference a function stands in."""

    TEXT = "Text"
    DATES = "Dates"
    LISTS = "Lists"
    LOGIC = "Logic"
    ROLES = "Roles"
    CONVERSIONS = "Conversions"
    GENERATED = "Generated values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter; `key` is its name in Graph's JSON where that differs, `condition` lets comparisons stand in it."""

    name: str
    about: str
    type: ParameterType = ParameterType.STRING
    required: bool = True
    multiple: bool = False
    condition: bool = False
    key: str | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An expression, the attributes it reads and what it answers; `pattern` instead where chance or time decides."""

    expression: str
    attributes: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    result: Value = None
    pattern: str | None = None
    fails: bool = False


def needs_a_form(*_arguments: object) -> Value:
    """Never an answer: it stands where interpreter and compiler have a form of their own.

    Raises:
        LookupError: always.
    """
    raise LookupError("this function has a form of its own and cannot be called")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the language.

    `implementation` takes the arguments in order, an argument that was not supplied as None (or as ABSENT where
    `sees_absent`), after the environment if `needs_environment`. Forms that evaluate their arguments only when
    needed (IIF, Switch, Coalesce, SelectUniqueValue) have none of their own;
    interpreter and compiler know them by name.
    """

    name: str
    topic: Topic
    about: str
    parameters: tuple[Parameter, ...]
    examples: tuple[Example, ...]
    implementation: Callable[..., Value] = needs_a_form
    source: FunctionList = FunctionList.PUBLISHED
    needs_environment: bool = False
    sees_absent: bool = False
    in_pairs: bool = False
    least: int | None = None
    top_level_only: bool = False
    remarks: str | None = None

    @property
    def least_arguments(self) -> int:
        """How many arguments a call has at least."""
        if self.least is not None:
            return self.least
        needed = [index for index, parameter in enumerate(self.parameters, start=1) if parameter.required]
        return max(needed, default=0)

    @property
    def most_arguments(self) -> int | None:
        """How many arguments a call has at most; None is any number."""
        if self.parameters and self.parameters[-1].multiple:
            return None
        return len(self.parameters)

    def parameter_at(self, index: int) -> Parameter:
        """The parameter the argument at that place (from 0) belongs to."""
        return self.parameters[min(index, len(self.parameters) - 1)]


class Absent:
    """The class of ABSENT: an argument that was left empty, where a function tells that from null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()
