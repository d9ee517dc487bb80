"""…/jobs/{job}/links (ours): which accounts are whose, and the promoting of those that were there before us."""

from muster.administration import connections, links
from muster.administration.refusals import bad_request
from muster.model.operation import Link
from muster.web.graph.applications import application_of
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document, flag_of, list_of


def list_links(call: Call) -> Answer:
    """GET …/jobs/{job}/links?state=adopted."""
    sp, options = application_of(call).service_principal_id, call.options()
    state = call.query.get("state")
    found, next_after = links.links(call.desk, sp, call.parts["job"], state, options.after, options.limit)
    return call.collection("links", found, _shown, next_after=next_after)


def list_connections(call: Call) -> Answer:
    """GET …/jobs/{job}/objectConnections: as Graph shows one, listed."""
    sp, options = application_of(call).service_principal_id, call.options()
    found, next_after = links.links(call.desk, sp, call.parts["job"], None, options.after, options.limit)
    return call.collection(
        "objectConnections", found, lambda link: _connection(link.source_id, link), next_after=next_after
    )


def get_connection(call: Call) -> Answer:
    """GET …/jobs/{job}/objectConnections('{object}'), by source or target id."""
    sp = application_of(call).service_principal_id
    found = connections.find_connection(call.desk, sp, call.parts["job"], call.parts["object"])
    return call.entity("objectConnections", _connection(found.object_id, found.link))


def delete_connection(call: Call) -> Answer:
    """DELETE …/jobs/{job}/objectConnections('{object}'): the object is matched anew when it changes."""
    sp = application_of(call).service_principal_id
    connections.forget_connection(call.desk, sp, call.parts["job"], call.parts["object"])
    return NO_CONTENT


def _connection(object_id: str, link: Link) -> Document:
    return {
        "objectId": object_id,
        "sourceAnchor": link.source_id,
        "targetAnchor": link.target_id,
        "displayName": link.display_name,
        "objectTypeName": link.kind.value,
    }


def promote_links(call: Call) -> Answer:
    """POST …/jobs/{job}/links/promote: {"sourceIds": […]} or {"all": true}."""
    sp, fields = application_of(call).service_principal_id, call.fields()
    ids, everything = list_of(fields, "sourceIds"), flag_of(fields, "all") is True
    if everything == bool(ids) or any(not isinstance(item, str) for item in ids):
        raise bad_request('Say whose accounts: {"sourceIds": ["…"]}, or {"all": true}.')
    promoted = links.promote(call.desk, sp, call.parts["job"], None if everything else ids)
    return Answer(document={"promoted": len(promoted), "sourceIds": list(promoted)})


def _shown(link: Link) -> Document:
    return {
        "sourceId": link.source_id,
        "sourceType": link.kind.value,
        "displayName": link.display_name,
        "targetId": link.target_id,
        "state": link.state.value,
        "owned": link.owned.value,
    }
