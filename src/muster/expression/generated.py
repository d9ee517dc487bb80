"""Functions whose values are made: by chance, from the tenant, or by trying what is free at the target."""

from typing import Any, Final

from muster.expression.signatures import Example, Function, FunctionList, Parameter, ParameterType, Topic
from muster.expression.values import Environment, EvaluationError, Value, integer, refuse, text

MAX_RANDOM: Final = 256
_DIGITS: Final = "0123456789"
_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = _UPPER.lower()
# The characters Windows' password policy counts as special.
_SPECIAL: Final = "'-!\"#$%&()*,./:;?@[]^_`{|}~+<=>\\"
_PARAMETERS: Final = (
    ("minimumNumbers", _DIGITS),
    ("minimumSpecialCharacters", _SPECIAL),
    ("minimumCapital", _UPPER),
    ("minimumLowerCase", _LOWER),
)


def _random_string(
    environment: Environment,
    length: Any,
    digits: Any,
    special: Any,
    capital: Any,
    lower: Any,
    avoid: Any = None,
) -> Value:
    wanted = integer(length, "RandomString", "length")
    if not 1 <= wanted <= MAX_RANDOM:
        raise refuse("RandomString", "length", length, f"must be 1 to {MAX_RANDOM}")
    avoided = text(avoid, "RandomString", "charactersToAvoid")
    drawn: list[str] = []
    allowed = ""
    for (name, letters), minimum in zip(_PARAMETERS, (digits, special, capital, lower), strict=True):
        kept = "".join(letter for letter in letters if letter not in avoided)
        allowed += kept
        least = integer(minimum, "RandomString", name)
        if not 0 <= least <= wanted - len(drawn):
            raise refuse("RandomString", name, minimum, f"must be 0 or more and all minima fit into {wanted}")
        if least and not kept:
            raise refuse("RandomString", "charactersToAvoid", avoid, f"leaves nothing for {name}")
        drawn += [kept[environment.draw(len(kept))] for _ in range(least)]
    if not allowed:
        raise refuse("RandomString", "charactersToAvoid", avoid, "leaves no character")
    drawn += [allowed[environment.draw(len(allowed))] for _ in range(wanted - len(drawn))]
    for index in range(len(drawn) - 1, 0, -1):
        other = environment.draw(index + 1)
        drawn[index], drawn[other] = drawn[other], drawn[index]
    return "".join(drawn)


def _guid(environment: Environment) -> Value:
    return environment.new_guid()


def _default_domain(environment: Environment) -> Value:
    if environment.default_domain is None:
        raise EvaluationError(
            function="DefaultDomain",
            argument=None,
            value=None,
            sentence="DefaultDomain: no default domain is set; give the job the setting DefaultDomain or write a text.",
        )
    return environment.default_domain


def all_taken(tried: int) -> EvaluationError:
    """The error of SelectUniqueValue when no value is free."""
    return EvaluationError(
        function="SelectUniqueValue",
        argument=None,
        value=None,
        sentence=f"SelectUniqueValue: all {tried} values are empty or in use at the target; add another rule.",
    )


def _count(name: str, about: str) -> Parameter:
    return Parameter(name=name, about=about, type=ParameterType.INTEGER)


FUNCTIONS: Final = (
    Function(
        name="Guid",
        topic=Topic.GENERATED,
        about="A new random GUID, in lower case with dashes.",
        parameters=(),
        examples=(Example(expression="Guid()", pattern="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),),
        implementation=_guid,
        needs_environment=True,
    ),
    Function(
        name="RandomString",
        topic=Topic.GENERATED,
        about="A random text of a length, with at least so many characters of each kind.",
        parameters=(
            _count("length", f"How long it is, at most {MAX_RANDOM}; at least the sum of the minima."),
            _count("minimumNumbers", "At least so many digits."),
            _count("minimumSpecialCharacters", "At least so many special characters."),
            _count("minimumCapital", "At least so many capitals."),
            _count("minimumLowerCase", "At least so many lower-case letters."),
            Parameter(name="charactersToAvoid", about="Characters that do not occur.", required=False),
        ),
        examples=(
            Example(expression="RandomString(6,3,0,0,3)", pattern="[0-9a-z]{6}"),
            Example(expression='RandomString(10,2,2,2,1,"?,")', pattern="[^?,]{10}"),
            Example(expression="RandomString(2,3,0,0,0)", fails=True),
        ),
        implementation=_random_string,
        needs_environment=True,
    ),
    Function(
        name="SelectUniqueValue",
        topic=Topic.GENERATED,
        about="The first value that is not yet in use at the target; fails if all are.",
        parameters=(Parameter(name="uniqueValueRule", about="A value to try; at least two.", multiple=True),),
        examples=(
            Example(
                expression=(
                    'SelectUniqueValue(Join(".", [givenName], [surname]), Join(".", Mid([givenName], 1, 1), [surname]))'
                ),
                attributes={"givenName": "John", "surname": "Smith"},
                result="John.Smith",
            ),
        ),
        least=2,
        top_level_only=True,
        remarks="Only as the outermost function, on attributes that are no matching attribute, and only at creation.",
    ),
    Function(
        name="DefaultDomain",
        topic=Topic.GENERATED,
        about="The tenant's default domain.",
        parameters=(),
        examples=(
            Example(
                expression='Join("@", [mailNickname], DefaultDomain())',
                attributes={"mailNickname": "jo"},
                result="jo@example.org",
            ),
        ),
        implementation=_default_domain,
        source=FunctionList.EXTENDED,
        needs_environment=True,
    ),
)
