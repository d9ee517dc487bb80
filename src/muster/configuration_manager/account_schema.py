"""The users of 8x8 as /Schemas shows them: with what 8x8 requires, as far as a schema can say it.

Sizes and letters have no characteristic in RFC 7643 §7: they stand in the descriptions. Both come from the same tables
that accounts are checked by.
"""

from dataclasses import replace

from muster.configuration_manager.accounts import LIMIT_PHONE_CHARACTERS, LOCALES, MANDATORY_NAMES, PHONE_TYPES, TEXTS
from muster.configuration_manager.customer import AccountLimits
from muster.scim.attributes import AttributeDefinition, Uniqueness
from muster.scim.resources import USER_8X8_TYPE, ResourceType
from muster.scim.schemas import SchemaDefinition

_REQUIRED = {"name", *(f"name.{each}" for each in MANDATORY_NAMES)}
_SHARED_BY_ALL = {"userName"}  # no two users of all customers have the same
_DOCUMENTED_REQUIRED = {"phoneNumbers.type"}
_DOCUMENTED_VALUES = {"locale": tuple(LOCALES), "phoneNumbers.type": PHONE_TYPES}


def _user_type(measure: AccountLimits) -> ResourceType:
    extensions = [
        replace(extension, schema=_described(extension.schema, measure)) for extension in USER_8X8_TYPE.extensions
    ]
    return replace(USER_8X8_TYPE, schema=_described(USER_8X8_TYPE.schema, measure), extensions=tuple(extensions))


def _described(schema: SchemaDefinition, measure: AccountLimits) -> SchemaDefinition:
    return replace(schema, attributes=tuple(_definition(each, each.name, measure) for each in schema.attributes))


def _definition(definition: AttributeDefinition, path: str, measure: AccountLimits) -> AttributeDefinition:
    documented = measure is AccountLimits.DOCUMENTED
    return replace(
        definition,
        description=f"{definition.description}{_size(path, documented=documented)}",
        required=definition.required or path in _REQUIRED or (documented and path in _DOCUMENTED_REQUIRED),
        uniqueness=Uniqueness.GLOBAL if path in _SHARED_BY_ALL else definition.uniqueness,
        canonical_values=(documented and _DOCUMENTED_VALUES.get(path)) or definition.canonical_values,
        sub_attributes=tuple(_definition(sub, f"{path}.{sub.name}", measure) for sub in definition.sub_attributes),
    )


def _size(path: str, *, documented: bool) -> str:
    if path == "phoneNumbers.value":
        return f" It has at most {LIMIT_PHONE_CHARACTERS} characters."
    rule = TEXTS.get(path)
    if rule is None:
        return ""
    letters = f": {rule.allowed}" if documented and rule.allowed else ""
    return f" It has {rule.least if documented else 1} to {rule.most} characters{letters}."


# Made once: what reads the values is compiled for each definition.
USER_TYPES = {measure: _user_type(measure) for measure in AccountLimits}
