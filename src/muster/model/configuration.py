"""Configuration as code: the document that `muster config` exports, plans and applies.

What a document does not name stays as it is in the installation. A list that it does name is the whole list.
"""

import re
from collections.abc import Set
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from muster.model.application import SecretKey
from muster.model.configuration_sign_on import OpenIdSignOn, SamlSignOn
from muster.model.rules import FlowBehavior, FlowType, Mutability, ObjectAction

VERSION: Literal[1] = 1
REFERENCE_KINDS = ("env", "file")
_ITEMS_LIMIT = 1_000
# What Graph keeps among the credentials and this document says in words of its own.
_ELSEWHERE = {
    SecretKey.SYNC_ALL.value: "scope",
    SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS.value: "skipOutOfScopeDeletions",
    SecretKey.SYNC_NOTIFICATION_SETTINGS.value: "notifications and deletionThreshold",
}
_UNKNOWN_KEY = "extra_forbidden"
# How pydantic begins a sentence.
_SUBJECT = re.compile(r"^(?:Input|String|List|Dictionary|Value) should ")


def _named(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("a name takes printable characters")
    return value


Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_named)]


class Part(BaseModel):
    """A part of the document: every key has to be known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Role(Part):
    """An app role, known by its name."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    value: str | None = Field(default=None, description="What expressions see of the role, and tokens carry.")
    description: str = ""
    enabled: bool = True
    for_: list[Literal["User", "Application"]] = Field(
        default=["User"], alias="for", description="Who can be given the role (Graph allowedMemberTypes)."
    )


class Clause(Part):
    """One comparison of a scoping filter."""

    attribute: str
    operator: str
    values: list[str] = Field(default_factory=list)


class Assignment(Part):
    """Who is given which role: one group, one user, or all users that a filter finds."""

    group: str | None = Field(default=None, description="A group by its display name or id.")
    user: str | None = Field(default=None, description="A user by principal name or id.")
    users: list[Clause] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="All users for whom these clauses hold at the time the document is applied.",
    )
    role: str = Field(default="Default Access", description="A role by its name or value.")

    @model_validator(mode="after")
    def _one_principal(self) -> "Assignment":
        if sum(each is not None for each in (self.group, self.user, self.users)) != 1:
            raise ValueError("an assignment names one of group, user and users")
        return self


class Notifications(Part):
    """Who is told when something goes wrong."""

    enabled: bool = True
    recipients: list[str] = Field(default_factory=list, max_length=10, description="E-mail addresses.")


class ScopingGroup(Part):
    """A named scoping filter: all of its clauses must hold."""

    name: str
    clauses: list[Clause]


class Mapping(Part):
    """How one target attribute is made. `expression` left out is mapping type None."""

    expression: str | None = Field(default=None, max_length=10_000)
    default: str | None = Field(default=None, description="The value on creation when the source has none.")
    flow: FlowType = FlowType.ALWAYS
    behavior: FlowBehavior = FlowBehavior.FLOW_WHEN_CHANGED
    matching: int = Field(
        default=0, ge=0, le=100, description="Matching precedence, from 1; 0: not a matching attribute."
    )
    clear_when_null: bool = Field(
        default=False, alias="clearWhenNull", description="A source that became empty empties the target attribute."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        return {"expression": given} if isinstance(given, str) else given

    @model_serializer(mode="wrap")
    def _as_text(self, whole: SerializerFunctionWrapHandler) -> Any:
        document = whole(self)
        return document["expression"] if list(document) == ["expression"] else document

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [{"type": "string", "description": "An expression."}, handler.resolve_ref_schema(handler(core))]
        }


class ObjectMapping(Part):
    """The rules of one object type."""

    name: str
    source: str = Field(description="The directory's object: User or Group.")
    target: str = Field(description="The application's object, for SCIM the URN of its schema.")
    enabled: bool = True
    actions: list[ObjectAction] = Field(default_factory=lambda: list(ObjectAction))
    scope: list[ScopingGroup] = Field(default_factory=list, description="One of them must hold; none: all pass.")
    attributes: dict[str, Mapping] = Field(
        description="Target attribute: its expression, or a mapping with its options."
    )


class TargetAttribute(Part):
    """An attribute of the target that its gallery page does not list, or lists otherwise."""

    name: str
    type: Literal["Binary", "Boolean", "DateTime", "Integer", "Reference", "String"] = "String"
    required: bool = False
    multivalued: bool = False
    case_exact: bool = Field(default=False, alias="caseExact")
    mutability: Mutability = Mutability.READ_WRITE
    referenced: list[str] = Field(default_factory=list, description="Objects that a Reference points to.")


class Job(Part):
    """A synchronization job. Its rules are `mappings` and `attributes`, or a whole Graph `schema`, or the defaults."""

    status: Literal["running", "stopped"] | None = Field(default=None, description="Running: by itself.")
    interval: timedelta | None = Field(default=None, description="Time between cycles, as ISO 8601 writes it: PT40M.")
    settings: dict[str, str] | None = Field(default=None, description="Settings of the job by name; others stay.")
    mappings: list[ObjectMapping] | None = Field(default=None, max_length=20)
    attributes: dict[str, list[TargetAttribute]] | None = Field(
        default=None, description="By target object: attributes beside those of the gallery page."
    )
    schema_: dict[str, Any] | None = Field(
        default=None, alias="schema", description="Rules in Graph's shape, where mappings cannot say them."
    )

    @model_validator(mode="after")
    def _rules_once(self) -> "Job":
        if self.schema_ is not None and (self.mappings is not None or self.attributes is not None):
            raise ValueError("a job has either a schema or mappings and attributes")
        return self


def _no_switch(credentials: dict[str, str]) -> dict[str, str]:
    for key in credentials:
        if key in _ELSEWHERE:
            raise ValueError(f"{key} is no credential here: write {_ELSEWHERE[key]} beside credentials")
    return credentials


def _threshold(given: Any) -> Any:
    # Lenient: writers of YAML 1.1 make false of off.
    if given is False:
        return "off"
    is_number = isinstance(given, int) and not isinstance(given, bool) and given >= 0
    if given is not None and given != "off" and not is_number:
        raise ValueError("a threshold is a whole number from 0, or off")
    return given


class Application(Part):
    """An enterprise application, known by its name."""

    name: Name
    template: str = Field(description="The gallery page by id or name: 8x8.")
    enabled: bool | None = Field(default=None, description="Off: nobody can sign in by it.")
    default_access_entitles: bool | None = Field(
        default=None,
        alias="defaultAccessEntitles",
        description="Whether the role Default Access is enough for an account.",
    )
    roles: list[Role] | None = Field(default=None, max_length=1_200)
    assignments: list[Assignment] | None = Field(default=None, max_length=100_000)
    scope: Literal["assigned", "all"] | None = Field(
        default=None, description="Assigned users and groups only, or all."
    )
    skip_out_of_scope_deletions: bool | None = Field(default=None, alias="skipOutOfScopeDeletions")
    notifications: Notifications | None = None
    deletion_threshold: Annotated[int | Literal["off"] | None, BeforeValidator(_threshold)] = Field(
        default=None,
        alias="deletionThreshold",
        description="More removals than this in a cycle wait for an administrator.",
    )
    dialect: dict[str, Any] | None = Field(
        default=None, description="Fields of the dialect that are set otherwise than on the gallery page."
    )
    credentials: Annotated[dict[str, str], AfterValidator(_no_switch)] | None = Field(
        default=None, description="By Graph's keys. What is secret is a reference: env:NAME or file:PATH."
    )
    single_sign_on: SamlSignOn | None = Field(default=None, alias="singleSignOn")
    open_id_connect: OpenIdSignOn | None = Field(default=None, alias="openIdConnect")
    jobs: list[Job] | None = Field(default=None, max_length=50)


class Configuration(Part):
    """The whole document."""

    version: Literal[1] = Field(description="The form of this document.")
    applications: list[Application] = Field(default_factory=list, max_length=_ITEMS_LIMIT)

    @model_validator(mode="after")
    def _names_once(self) -> "Configuration":
        names = [application.name for application in self.applications]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two applications are called {twice}: a name is what an application is known by")
        return self


Place = tuple[str | int, ...]


Finding = tuple[Place, str]


def read_configuration(document: object) -> tuple[Configuration | None, tuple[Finding, ...]]:
    """Returns the configuration and all that is wrong with the document: where, and a sentence.

    The configuration is there in spite of keys that nobody knows, without them: what else is wrong can be told at once.
    """
    try:
        return Configuration.model_validate(document), ()
    except ValidationError as error:
        # What a value was is not repeated: it may be a secret in the wrong place.
        found = error.errors(include_url=False, include_input=False, include_context=False)
    unknown = {tuple(item["loc"]) for item in found if item["type"] == _UNKNOWN_KEY}
    findings = tuple((tuple(item["loc"]), _sentence(item["type"], item["msg"])) for item in found)
    if not unknown:
        return None, findings
    # Whatever holds for a part as a whole is looked at once its keys are right.
    rest = _without(document, unknown)
    configuration, others = (None, ()) if rest == document else read_configuration(rest)
    return configuration, tuple(dict.fromkeys((*findings, *others)))


def _without(node: Any, unknown: Set[Place], place: Place = ()) -> Any:
    if isinstance(node, dict):
        return {
            key: _without(item, unknown, (*place, key)) for key, item in node.items() if (*place, key) not in unknown
        }
    if isinstance(node, list):
        return [_without(item, unknown, (*place, index)) for index, item in enumerate(node)]
    return node


def write_configuration(configuration: Configuration) -> dict[str, Any]:
    """Returns the document of a configuration, without what has its default."""
    return configuration.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def configuration_schema() -> dict[str, Any]:
    """Returns the JSON Schema of the document, for editors."""
    schema = Configuration.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Muster configuration"}


def _sentence(kind: str, message: str) -> str:
    if kind == _UNKNOWN_KEY:
        return "There is no such key here."
    if kind == "missing":
        return "This key is required."
    if kind in ("time_delta_parsing", "time_delta_type"):
        return "It must be a duration as ISO 8601 writes it: PT40M for 40 minutes, PT1H for an hour."
    text = _SUBJECT.sub("It must ", message.removeprefix("Value error, "))
    return f"{text[:1].upper()}{text[1:]}."
