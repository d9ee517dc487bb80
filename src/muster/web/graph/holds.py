"""…/jobs/{job}/heldOperations and …/safeguards (ours): what waits for an administrator, and what makes it wait."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from muster.administration import holds, safeguards
from muster.administration.refusals import bad_request
from muster.administration.safeguards import ShownSafeguards
from muster.model.directory import ObjectKind
from muster.model.durations import write_duration
from muster.model.hold import Hold, HoldCode, HoldFilter, HoldGroup, HoldState
from muster.model.operation import OperationKind
from muster.planning.safeguards import BY_KIND, show_limit
from muster.web.graph import render_jobs
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call, Document, flag_of, list_of, text_of
from muster.web.graph.render import instant

_Choice = TypeVar("_Choice", bound=StrEnum)
_FILTERS = ("state", "code", "cause", "kind", "objectType", "search")


def list_held(call: Call) -> Answer:
    """GET …/jobs/{job}/heldOperations?state=held&code=&cause=&kind=&objectType=&search=."""
    sp, options = application_of(call).service_principal_id, call.options()
    wanted = _filter(call.query)
    found, after = holds.held(call.desk, sp, call.parts["job"], wanted, options.limit, options.after)
    return call.collection("heldOperations", found, hold, next_after=after)


def list_causes(call: Call) -> Answer:
    """GET …/jobs/{job}/heldOperations/causes: how many have one cause; the same filters."""
    sp = application_of(call).service_principal_id
    found = holds.causes(call.desk, sp, call.parts["job"], _filter(call.query))
    return call.whole("heldOperations/causes", found, group)


def approve_held(call: Call) -> Answer:
    """POST …/jobs/{job}/heldOperations/approve: {"ids": […]}, {"filter": {"cause": "…"}} or {"all": true}."""
    sp = application_of(call).service_principal_id
    done = holds.approve(call.desk, sp, call.parts["job"], _selection(call))
    document: Document = {"approved": done.count, "undecided": done.undecided}
    if done.stayed:
        document["stayed"] = [{"displayName": each.name, "reason": each.reason} for each in done.stayed]
    return Answer(document=document)


def reject_held(call: Call) -> Answer:
    """POST …/jobs/{job}/heldOperations/reject: as approve; rejected ones stay until their object changes."""
    sp = application_of(call).service_principal_id
    done = holds.reject(call.desk, sp, call.parts["job"], _selection(call))
    return Answer(document={"rejected": done.count, "undecided": done.undecided})


def get_safeguards(call: Call) -> Answer:
    """GET …/jobs/{job}/safeguards."""
    sp = application_of(call).service_principal_id
    return call.entity("safeguards", _safeguards(safeguards.safeguards_of(call.desk, sp, call.parts["job"])))


def weigh_safeguards(call: Call) -> Answer:
    """POST …/jobs/{job}/safeguards/whatIf: {"settings": {"ProtectedUsers": "ceo@*"}}; nothing is written."""
    sp = application_of(call).service_principal_id
    found = safeguards.weigh_safeguards(call.desk, sp, call.parts["job"], _settings(call.fields()))
    return Answer(
        document={
            "considered": found.considered,
            "isPartial": found.is_partial,
            "removals": found.removals,
            "held": found.held,
            "membersRemoved": found.members_removed,
            "membersHeld": found.members_held,
            "heldReasons": list(found.reasons),
            "protected": found.protected,
            "spared": found.spared,
            "waiting": found.waiting,
            "writesHeld": found.writes_held,
        }
    )


def _settings(fields: Document) -> dict[str, str]:
    settings = fields.get("settings") or {}
    if not isinstance(settings, dict) or any(not isinstance(value, str) for value in settings.values()):
        raise bad_request('settings takes texts by name: {"settings": {"Approval": "removals"}}.')
    return settings


def change_safeguards(call: Call) -> Answer:
    """PATCH …/jobs/{job}/safeguards: {"settings": {"Approval": "removals"}, "skipOutOfScopeDeletions": true}."""
    sp, fields = application_of(call).service_principal_id, call.fields()
    settings = _settings(fields)
    skips = flag_of(fields, "skipOutOfScopeDeletions")
    if not settings and skips is None:
        raise bad_request("Give settings, or skipOutOfScopeDeletions, or both.")
    job = call.parts["job"]
    shown = safeguards.set_safeguards(call.desk, sp, job, settings, skip_out_of_scope_deletions=skips)
    return call.entity("safeguards", _safeguards(shown))


def hold(found: Hold) -> Document:
    """Returns a held operation: what it would do, why it is held, who has decided what about it."""
    return {
        "id": found.id,
        "state": found.state.value,
        "code": found.code.value,
        "reason": found.reason,
        "heldDateTime": instant(found.held_at),
        "dueDateTime": instant(found.due_at),
        "decidedBy": found.decided_by,
        "decidedDateTime": instant(found.decided_at),
        "cycleId": found.cycle_id or None,
        "cause": render_jobs.cause(found.cause),
        "operation": render_jobs.operation(found.operation),
    }


def group(found: HoldGroup) -> Document:
    """Returns how many held operations have one cause."""
    return {
        "cause": render_jobs.cause(found.cause),
        "state": found.state.value,
        "code": found.code.value,
        "kind": found.operation_kind,
        "count": found.count,
    }


def _selection(call: Call) -> HoldFilter:
    fields = call.fields()
    ids, everything, chosen = list_of(fields, "ids"), flag_of(fields, "all") is True, fields.get("filter")
    if sum((bool(ids), everything, bool(chosen))) != 1 or any(not isinstance(item, str) for item in ids):
        raise bad_request('Say which: {"ids": ["…"]}, {"filter": {"cause": "…"}} or {"all": true}.')
    if ids:
        return HoldFilter(ids=tuple(ids))
    if everything:
        return HoldFilter()
    if not isinstance(chosen, dict):
        raise bad_request('filter takes an object such as {"cause": "groupDeleted:…", "kind": "disable"}.')
    unknown = [str(name)[:60] for name in chosen if name not in _FILTERS]
    if unknown:
        raise bad_request(f"A filter has no {', '.join(unknown)}; it has {', '.join(_FILTERS)}.")
    return _filter({name: text_of(chosen, name) or "" for name in chosen})


def _filter(given: Mapping[str, Any]) -> HoldFilter:
    states = _choice(HoldState, given, "state")
    kind = _choice([each for each in OperationKind if each.writes], given, "kind")
    return HoldFilter(
        states=(HoldState.HELD,) if states is None else (states,),
        code=_choice(HoldCode, given, "code"),
        cause=given.get("cause") or None,
        operation_kind=None if kind is None else kind.value,
        object_kind=_choice(ObjectKind, given, "objectType"),
        identity=given.get("search") or None,
    )


def _choice(choices: Iterable[_Choice], given: Mapping[str, Any], name: str) -> _Choice | None:
    value = given.get(name)
    if not value:
        return None
    known = {each.value.lower(): each for each in choices}
    found = known.get(str(value).lower())
    if found is None:
        names = ", ".join(each.value for each in known.values())
        raise bad_request(f"{name} takes one of {names}; “{str(value)[:60]}” is none of them.")
    return found


def _safeguards(shown: ShownSafeguards) -> Document:
    guards = shown.safeguards
    threshold, protections = guards.threshold, guards.protections
    return {
        "approval": guards.approval.value,
        "thresholds": {
            "enabled": threshold.enabled,
            "count": threshold.count,
            "share": threshold.share,
            "shareFrom": {"removals": threshold.minimum, "population": threshold.population},
            "rollingDay": {"count": threshold.day.count, "share": threshold.day.share},
            "byKind": {
                kind.value: show_limit(threshold.by_kind[kind]) if kind in threshold.by_kind else "off"
                for kind in BY_KIND
            },
        },
        "protected": {
            "users": list(protections.users),
            "groups": list(protections.groups),
            "roles": list(protections.roles),
        },
        "deleteGracePeriod": write_duration(guards.delete_grace),
        "skipOutOfScopeDeletions": shown.skip_out_of_scope_deletions,
        "settings": dict(shown.given),
    }
