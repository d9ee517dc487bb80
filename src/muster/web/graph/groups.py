"""/groups and their members."""

from typing import Any

from muster.administration import groups
from muster.administration.refusals import bad_request
from muster.model.directory import ObjectKind
from muster.web.graph import render
from muster.web.graph.call import NO_CONTENT, Answer, Call, referenced_id
from muster.web.graph.people import attributes_in

_BIND = "members@odata.bind"


def get_group(call: Call) -> Answer:
    """GET /groups/{group}."""
    return call.entity("groups", render.group(groups.find_group(call.desk, call.parts["group"])))


def create_group(call: Call) -> Answer:
    """POST /groups."""
    fields = call.fields()
    members = _bound(fields.pop(_BIND, None))
    created = groups.create_group(call.desk, attributes_in(ObjectKind.GROUP, fields), members)
    return call.entity("groups", render.group(created), status=201, Location=f"{call.root}/groups/{created.object_id}")


def update_group(call: Call) -> Answer:
    """PATCH /groups/{group}; `members@odata.bind` adds members."""
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
    groups.delete_group(call.desk, call.parts["group"])
    return NO_CONTENT


def list_members(call: Call) -> Answer:
    """GET /groups/{group}/members: direct ones."""
    options = call.options()
    page = groups.members(call.desk, call.parts["group"], options.after, options.limit)
    return call.collection(
        "directoryObjects", page.objects, render.directory_object, next_after=page.next_after, total=page.total
    )


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
    found = groups.find_group(call.desk, call.parts["group"])
    return call.collection("directoryObjects", groups.groups_of(call.desk, found.object_id), render.directory_object)


def _bound(references: Any) -> list[str]:
    if references is None:
        return []
    if not isinstance(references, list):
        raise bad_request(f"{_BIND} takes a list of addresses such as https://…/users/{{id}}.")
    return list(dict.fromkeys(referenced_id(reference) for reference in references))
