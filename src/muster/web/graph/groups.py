"""/groups and their members."""

from typing import Any

from muster.administration import groups
from muster.administration.refusals import bad_request
from muster.model.directory import ObjectKind
from muster.web.graph import render
from muster.web.graph.call import NO_CONTENT, Answer, Call, referenced_id, select
from muster.web.graph.people import attributes_in, etag_of, groups_around

_EXPANDED_MEMBERS = 20
_BIND = "members@odata.bind"


def get_group(call: Call) -> Answer:
    """GET /groups/{group}; `$expand=members` shows the first twenty."""
    group = groups.find_group(call.desk, call.parts["group"])
    document = render.group(group)
    expand = call.options().expand
    if "members" in expand:
        page = groups.members(call.desk, group.object_id, None, _EXPANDED_MEMBERS)
        document["members"] = [select(render.directory_object(each), expand["members"]) for each in page.objects]
    return call.tagged("groups", document, etag_of(group))


def create_group(call: Call) -> Answer:
    """POST /groups."""
    fields = call.fields()
    members = _bound(fields.pop(_BIND, None))
    created = groups.create_group(call.desk, attributes_in(ObjectKind.GROUP, fields), members)
    return call.entity("groups", render.group(created), status=201, Location=f"{call.root}/groups/{created.object_id}")


def update_group(call: Call) -> Answer:
    """PATCH /groups/{group}; `members@odata.bind` adds members."""
    call.check_match(etag_of(groups.find_group(call.desk, call.parts["group"])))
    fields = call.fields()
    members = _bound(fields.pop(_BIND, None))
    attributes = attributes_in(ObjectKind.GROUP, fields)
    if attributes or not members:
        groups.update_group(call.desk, call.parts["group"], attributes)
    if members:
        groups.add_members(call.desk, call.parts["group"], members)
    return NO_CONTENT


def delete_group(call: Call) -> Answer:
    """DELETE /groups/{group}."""
    call.check_match(etag_of(groups.find_group(call.desk, call.parts["group"])))
    groups.delete_group(call.desk, call.parts["group"])
    return NO_CONTENT


def list_members(call: Call) -> Answer:
    """GET /groups/{group}/members: direct ones."""
    return _members(call)


def list_transitive_members(call: Call) -> Answer:
    """GET /groups/{group}/transitiveMembers: those of groups within it, too, at any depth."""
    return _members(call, transitive=True)


def list_transitive_users(call: Call) -> Answer:
    """GET /groups/{group}/transitiveMembers/microsoft.graph.user."""
    return _cast_members(call, ObjectKind.USER, transitive=True)


def list_transitive_groups(call: Call) -> Answer:
    """GET /groups/{group}/transitiveMembers/microsoft.graph.group."""
    return _cast_members(call, ObjectKind.GROUP, transitive=True)


def list_user_members(call: Call) -> Answer:
    """GET /groups/{group}/members/microsoft.graph.user."""
    return _cast_members(call, ObjectKind.USER)


def list_group_members(call: Call) -> Answer:
    """GET /groups/{group}/members/microsoft.graph.group."""
    return _cast_members(call, ObjectKind.GROUP)


def list_member_references(call: Call) -> Answer:
    """GET /groups/{group}/members/$ref: their addresses alone."""
    options = call.options()
    page = groups.members(call.desk, call.parts["group"], options.after, options.limit)
    return call.collection(
        "Collection($ref)",
        page.objects,
        lambda found: {"@odata.id": f"{call.root}/directoryObjects/{found.object_id}"},
        next_after=page.next_after,
        total=page.total,
    )


def _members(call: Call, *, transitive: bool = False) -> Answer:
    options = call.options()
    page = groups.members(call.desk, call.parts["group"], options.after, options.limit, transitive=transitive)
    return call.collection(
        "directoryObjects", page.objects, render.directory_object, next_after=page.next_after, total=page.total
    )


def _cast_members(call: Call, kind: ObjectKind, *, transitive: bool = False) -> Answer:
    """Those members of a page that are of a kind; a page may hold fewer than it could, as in Graph."""
    options = call.options()
    page = groups.members(call.desk, call.parts["group"], options.after, options.limit, transitive=transitive)
    found = [each for each in page.objects if each.kind is kind]
    return call.collection("directoryObjects", found, render.directory_object, next_after=page.next_after)


def add_member(call: Call) -> Answer:
    """POST /groups/{group}/members/$ref."""
    groups.add_member(call.desk, call.parts["group"], referenced_id(call.fields().get("@odata.id")))
    return NO_CONTENT


def remove_member(call: Call) -> Answer:
    """DELETE /groups/{group}/members/{member}/$ref."""
    groups.remove_member(call.desk, call.parts["group"], call.parts["member"])
    return NO_CONTENT


def member_of(call: Call) -> Answer:
    """GET /groups/{group}/memberOf."""
    return groups_around(call, groups.find_group(call.desk, call.parts["group"]))


def transitive_member_of(call: Call) -> Answer:
    """GET /groups/{group}/transitiveMemberOf: the groups that a group is in, at any depth."""
    return groups_around(call, groups.find_group(call.desk, call.parts["group"]), transitive=True)


def _bound(references: Any) -> list[str]:
    if references is None:
        return []
    if not isinstance(references, list):
        raise bad_request(f"{_BIND} takes a list of addresses such as https://…/users/{{id}}.")
    return list(dict.fromkeys(referenced_id(reference) for reference in references))
