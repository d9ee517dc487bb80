"""…/jobs/{job}/links (ours): which accounts are whose, and the promoting of those that were there before us."""

from muster.administration import links
from muster.administration.refusals import bad_request
from muster.model.operation import Link
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call, Document, flag_of, list_of


def list_links(call: Call) -> Answer:
    """GET …/jobs/{job}/links?state=adopted."""
    sp, options = application_of(call).service_principal_id, call.options()
    state = call.query.get("state")
    found, next_after = links.links(call.desk, sp, call.parts["job"], state, options.after, options.limit)
    return call.collection("links", found, _shown, next_after=next_after)


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
