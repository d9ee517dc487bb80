"""/users/delta and /groups/delta: what changed since a deltaLink."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from muster.administration import delta
from muster.administration.delta import ChangedObject, Place
from muster.administration.refusals import bad_request
from muster.model.conditions import Condition, comparisons_in, holds
from muster.model.directory import Lifecycle, ObjectKind
from muster.web.graph import render
from muster.web.graph.call import Answer, Call, Document, select
from muster.web.graph.odata import LATEST, skip_token
from muster.web.graph.people import PROPERTIES
from muster.web.graph.properties import bind

_MEMBERS = "members"
_MANAGER = "manager"


def user_delta(call: Call) -> Answer:
    """GET /users/delta."""
    return _round(call, ObjectKind.USER)


def group_delta(call: Call) -> Answer:
    """GET /groups/delta: with who came and went among the members."""
    return _round(call, ObjectKind.GROUP)


def _round(call: Call, kind: ObjectKind) -> Answer:
    options = call.options()
    if options.order_by or options.search:
        raise bad_request("A round of changes comes in the feed's order: $orderby and $search are not taken.")
    condition = bind(options.filter, PROPERTIES[kind])
    if any(found.path not in ("objectId", "id") for found in comparisons_in(condition)):
        raise bad_request("A round of changes is filtered by id alone.")
    place = _place(call)
    names = options.select
    with_members = names is None or _MEMBERS in names
    found: Sequence[ChangedObject] = ()
    following: Place | None = None
    if options.delta_after != LATEST:
        found, following = delta.changes(call.desk, kind, place, options.limit, with_members=with_members)
    document: Document = {
        "@odata.context": f"{call.root}/$metadata#{kind.value.lower()}s",
        "value": [_shown(each, kind, names) for each in found if _is_met(condition, each)],
    }
    if following is not None:
        document["@odata.nextLink"] = _link(call, "$skiptoken", following.written())
    else:
        document["@odata.deltaLink"] = _link(call, "$deltatoken", str(place.until))
    return Answer(document=document)


def _place(call: Call) -> Place:
    options = call.options()
    if options.after is not None:
        return delta.read_place(options.after)
    since = options.delta_after
    return delta.first_place(call.desk, int(since.partition(":")[0]) if since and since != LATEST else 0)


def _is_met(condition: Condition | None, changed: ChangedObject) -> bool:
    record: dict[str, Any] = {"objectId": changed.found.object_id, "id": changed.found.object_id}
    return condition is None or holds(condition, record)


def _shown(changed: ChangedObject, kind: ObjectKind, names: frozenset[str] | None) -> Document:
    found = changed.found
    if changed.is_gone:
        # Graph's words: what can be restored has “changed”, what cannot is “deleted”.
        reason = "changed" if found.lifecycle is Lifecycle.SOFT_DELETED else "deleted"
        return {"id": found.object_id, "@removed": {"reason": reason}}
    whole = render.user(found) if kind is ObjectKind.USER else render.group(found)
    document = {"id": found.object_id, **select(whole, names)}
    if names is not None and _MANAGER in names:
        managers = [] if found.manager_id is None else [found.manager_id]
        document["manager@delta"] = [{"@odata.type": "#microsoft.graph.user", "id": each} for each in managers]
    if changed.members:
        document["members@delta"] = [
            {
                "@odata.type": f"#microsoft.graph.{member.kind.value.lower()}",
                "id": member.member_id,
                **({"@removed": {"reason": "deleted"}} if member.is_gone else {}),
            }
            for member in changed.members
        ]
    return document


def _link(call: Call, option: str, text: str) -> str:
    parts = urlsplit(call.url)
    kept = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ("$skiptoken", "$deltatoken")
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, (option, skip_token(text, parts.path))])))
