"""/users, their managers and the recycle bin."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from muster.administration import groups, people
from muster.administration.refusals import bad_request, not_found
from muster.model.conditions import Both
from muster.model.directory import (
    ATTRIBUTES_OF,
    AttributeType,
    DirectoryAttribute,
    DirectoryObject,
    Lifecycle,
    ObjectKind,
)
from muster.ports.directory import DirectoryQuery
from muster.web.graph import render, sign_ins
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document, list_of, referenced_id, select
from muster.web.graph.odata import Options
from muster.web.graph.properties import Properties, Property, Sort, bind, instants, lists, read_search

_NAMES: dict[ObjectKind, dict[str, str]] = {
    kind: {attribute.graph_name: attribute.name for attribute in attributes.values()}
    for kind, attributes in ATTRIBUTES_OF.items()
}
_EXTENSIONS = "onPremisesExtensionAttributes"
IDS_A_CALL = 1_000
_SORTS = {
    AttributeType.BOOLEAN: Sort.BOOLEAN,
    AttributeType.INTEGER: Sort.NUMBER,
    AttributeType.DATE_TIME: Sort.INSTANT,
}
_SEARCHED = {
    ObjectKind.USER: ("displayName", "userPrincipalName", "mail"),
    ObjectKind.GROUP: ("displayName", "mail", "description"),
}
# Lenient: Graph's clients send these when they make a user. People have no licence here.
_IGNORED = frozenset({"passwordPolicies", "groupTypes", "visibility"})


def _properties(kind: ObjectKind) -> Properties:
    def property_of(attribute: DirectoryAttribute) -> Property:
        is_extension = attribute.name in render.EXTENSION_ATTRIBUTES
        is_list = attribute.multivalued or attribute.graph_name in render.LISTS_OF_ONE
        return Property(
            path=f"{_EXTENSIONS}/{attribute.graph_name}" if is_extension else attribute.graph_name,
            name=attribute.name,
            sort=Sort.LIST if is_list else _SORTS.get(attribute.type, Sort.TEXT),
        )

    found = [property_of(attribute) for attribute in ATTRIBUTES_OF[kind].values()]
    what = "a user" if kind is ObjectKind.USER else "a group"
    return Properties(what, *found, *instants("createdDateTime", "deletedDateTime"), *lists("groupTypes"))


PROPERTIES = {kind: _properties(kind) for kind in ObjectKind}


def list_users(call: Call) -> Answer:
    """GET /users."""
    return listed(call, ObjectKind.USER, "users", render.user)


def count_users(call: Call) -> Answer:
    """GET /users/$count."""
    return _counting(call, ObjectKind.USER)


def get_user(call: Call) -> Answer:
    """GET /users/{user}."""
    person = people.find_user(call.desk, call.parts["user"])
    shown = _with_managers(call, [person], render.user) if "manager" in call.options().expand else render.user
    return call.tagged("users", shown(person), etag_of(person))


def create_user(call: Call) -> Answer:
    """POST /users."""
    fields = call.fields()
    manager = fields.pop("manager@odata.bind", None)
    given = sign_ins.read_password_profile(fields)
    attributes = attributes_in(ObjectKind.USER, fields)
    if given is not None:
        given.check(attributes)
    created = people.create_user(
        call.desk,
        attributes,
        manager_id=None if manager is None else people.find_user(call.desk, referenced_id(manager)).object_id,
    )
    if given is not None:
        given.apply(call.desk, created.object_id)
    return call.entity("users", render.user(created), status=201, Location=f"{call.root}/users/{created.object_id}")


def update_user(call: Call) -> Answer:
    """PATCH /users/{user}."""
    person = people.find_user(call.desk, call.parts["user"])
    call.check_match(etag_of(person))
    fields = call.fields()
    given = sign_ins.read_password_profile(fields)
    attributes = attributes_in(ObjectKind.USER, fields)
    if given is not None:
        given.check({**person.attributes, **attributes})
    people.update_user(call.desk, person.object_id, attributes)
    if given is not None:
        given.apply(call.desk, person.object_id)
    return NO_CONTENT


def delete_user(call: Call) -> Answer:
    """DELETE /users/{user}: into the recycle bin."""
    call.check_match(etag_of(people.find_user(call.desk, call.parts["user"])))
    people.delete_user(call.desk, call.parts["user"])
    return NO_CONTENT


def get_manager(call: Call) -> Answer:
    """GET /users/{user}/manager."""
    manager = people.manager_of(call.desk, call.parts["user"])
    if manager is None:
        raise not_found("The manager of", call.parts["user"])
    return call.entity("directoryObjects", render.directory_object(manager))


def set_manager(call: Call) -> Answer:
    """PUT /users/{user}/manager/$ref."""
    people.set_manager(call.desk, call.parts["user"], referenced_id(call.fields().get("@odata.id")))
    return NO_CONTENT


def clear_manager(call: Call) -> Answer:
    """DELETE /users/{user}/manager/$ref."""
    people.clear_manager(call.desk, call.parts["user"])
    return NO_CONTENT


def list_reports(call: Call) -> Answer:
    """GET /users/{user}/directReports: whose manager this person is."""
    options = call.options()
    page = people.reports_of(call.desk, call.parts["user"], options.after, options.limit)
    return call.collection(
        "directoryObjects", page.objects, render.directory_object, next_after=page.next_after, total=page.total
    )


def get_objects(call: Call) -> Answer:
    """POST /directoryObjects/getByIds: users and groups by their ids; unknown ones are left out."""
    fields = call.fields()
    ids, types = list_of(fields, "ids"), list_of(fields, "types")
    if len(ids) > IDS_A_CALL or any(not isinstance(each, str) for each in (*ids, *types)):
        raise bad_request(f"ids takes up to {IDS_A_CALL} ids, types names such as user and group.")
    wanted = {each.lower() for each in types} or {kind.value.lower() for kind in ObjectKind}
    found = [each for each in people.by_ids(call.desk, ids) if each.kind.value.lower() in wanted]
    return call.collection("directoryObjects", found, render.directory_object)


def get_object(call: Call) -> Answer:
    """GET /directoryObjects/{object}: a user or group by id."""
    found = people.by_ids(call.desk, [call.parts["object"]])
    if not found:
        raise not_found("Directory object", call.parts["object"])
    return call.entity("directoryObjects", render.directory_object(found[0]))


def member_of(call: Call) -> Answer:
    """GET /users/{user}/memberOf: direct memberships."""
    return groups_around(call, people.find_user(call.desk, call.parts["user"]))


def transitive_member_of(call: Call) -> Answer:
    """GET /users/{user}/transitiveMemberOf: memberships at any depth."""
    return groups_around(call, people.find_user(call.desk, call.parts["user"]), transitive=True)


def groups_around(call: Call, found: DirectoryObject, *, transitive: bool = False) -> Answer:
    """Returns the answer that lists the groups of an object, all of them on one page."""
    around = groups.groups_of(call.desk, found.object_id, transitive=transitive)
    return call.whole("directoryObjects", around, render.directory_object)


def list_groups(call: Call) -> Answer:
    """GET /groups."""
    return listed(call, ObjectKind.GROUP, "groups", render.group)


def count_groups(call: Call) -> Answer:
    """GET /groups/$count."""
    return _counting(call, ObjectKind.GROUP)


def etag_of(found: DirectoryObject) -> str:
    """Returns the ETag of a user or group: the number of its last change."""
    return f'W/"{found.seq}"'


def attributes_in(kind: ObjectKind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a body's properties under the directory's names. Raises: Refused for properties it does not know."""
    names = _NAMES[kind]
    flat = {name: value for name, value in fields.items() if "@odata." not in name and name not in _IGNORED}
    extensions = flat.pop(_EXTENSIONS, None)
    if extensions is not None:
        if not isinstance(extensions, dict) or not render.EXTENSION_ATTRIBUTES.issuperset(extensions):
            raise bad_request(f"{_EXTENSIONS} takes an object of extensionAttribute1 to extensionAttribute15.")
        flat.update(extensions)
    unknown = [name for name in flat if name not in names]
    if unknown:
        raise bad_request(
            f"One or more property values specified are invalid: {kind.value.lower()} has no property "
            f"{', '.join(name[:60] for name in unknown[:5])}."
        )
    return {names[name]: _of_one(name, value) for name, value in flat.items()}


def _of_one(name: str, value: Any) -> Any:
    """businessPhones is a list in Graph and takes one number."""
    if name != "businessPhones":
        return value
    if value is None or value == []:
        return None
    if not isinstance(value, list) or len(value) != 1:
        raise bad_request("businessPhones takes a list of one telephone number.")
    return value[0]


def listed(
    call: Call,
    kind: ObjectKind,
    path: str,
    shown: Callable[[DirectoryObject], Document],
    lifecycle: Lifecycle = Lifecycle.PRESENT,
) -> Answer:
    """Returns the answer that lists users or groups as the options say. Raises: Refused."""
    page = people.search(call.desk, _query(kind, call.options(), lifecycle))
    if kind is ObjectKind.USER and "manager" in call.options().expand:
        shown = _with_managers(call, page.objects, shown)
    return call.collection(path, page.objects, shown, next_after=page.next_after, total=page.total)


def _counting(call: Call, kind: ObjectKind) -> Answer:
    options = replace(call.options(), count=True, top=1)
    page = people.search(call.desk, _query(kind, options, Lifecycle.PRESENT))
    return Answer(text=str(len(page.objects) if page.total is None else page.total))


def _query(kind: ObjectKind, options: Options, lifecycle: Lifecycle) -> DirectoryQuery:
    known = PROPERTIES[kind]
    names = ("displayName", "userPrincipalName") if kind is ObjectKind.USER else ("displayName",)
    order_by, descending = known.order(options.order_by, *names) or ("displayName", False)
    wanted = None if options.search is None else read_search(options.search, known, *_SEARCHED[kind])
    parts = tuple(part for part in (bind(options.filter, known), wanted) if part is not None)
    return DirectoryQuery(
        kind=kind,
        condition=Both(parts=parts) if parts else None,
        lifecycles=(lifecycle,),
        # Lenient: a bare word, which Graph refuses, is the beginning of a name.
        search=options.search if wanted is None else None,
        order_by=order_by,
        descending=descending,
        counted=options.count,
        after=options.after,
        limit=options.limit,
    )


def _with_managers(
    call: Call, found: Sequence[DirectoryObject], shown: Callable[[DirectoryObject], Document]
) -> Callable[[DirectoryObject], Document]:
    managers = people.managers_of(call.desk, found)
    names = call.options().expand["manager"]

    def with_manager(person: DirectoryObject) -> Document:
        manager = managers.get(person.manager_id or "")
        return {
            **shown(person),
            "manager": None if manager is None else select(render.directory_object(manager), names),
        }

    return with_manager
