"""Why a person is in or out, and why each attribute has its value."""

from typing import Any

from muster.engine.parts import EngineStores, JobParts, environment
from muster.expression.evaluate import Explained
from muster.expression.evaluate import explain as explain_expression
from muster.model.cause import Cause
from muster.model.directory import ObjectKind
from muster.model.log import shown
from muster.model.operation import Change, Intent, Presence
from muster.planning.causes import cause_of_removal
from muster.planning.intent import form_intent, with_computed
from muster.planning.rules import CompiledMapping
from muster.ports.source import EvidentSource
from muster.ports.world import Clock, Ids


def explain(parts: JobParts, stores: EngineStores, change: Change, clock: Clock, ids: Ids) -> dict[str, Any]:
    """Returns, as plain data, the verdict with its reasons, every mapping with its tree, and what was last sent."""
    rules = parts.rules.kinds[change.kind]
    surroundings = environment(parts.job, clock, ids)
    intent = form_intent(change, rules, parts.terms, surroundings)
    link = stores.links.links(parts.job.id, change.kind, [change.source_id]).get(change.source_id)
    attributes = with_computed(change, intent.verdict)
    mapped = {value.attribute: value for value in intent.values}
    cause = _cause(parts, intent)

    def row(item: CompiledMapping) -> dict[str, Any]:
        value = mapped.get(item.attribute)
        # Of whoever is out the value is not computed, and is hidden all the same.
        hidden = "redact" in (item.mapping.expression or "").lower() if value is None else value.redacted
        sent = link.acknowledged.sent.get(item.attribute) if link is not None else None
        return {
            "targetAttribute": item.attribute,
            "expression": item.mapping.expression,
            "flowType": item.mapping.flow_type.value,
            # Sent when the account is created, and never after.
            "flowsOnce": item.is_create_only if value is None else value.create_only,
            "value": None if value is None else "[Redact]" if value.redacted else shown(value.value),
            "lastSent": "[Redact]" if hidden and sent is not None else shown(sent),
            "acknowledgedAs": None
            if link is None or item.attribute not in link.acknowledged.seen
            else "[Redact]"
            if hidden
            else shown(link.acknowledged.seen[item.attribute]),
            "tree": None if item.node is None else _tree(explain_expression(item.node, attributes, surroundings)),
        }

    return {
        "seq": change.seq,
        "cause": None
        if cause is None
        else {"kind": cause.kind.value, "sentence": cause.sentence, "subject": cause.subject},
        "source": {"id": change.source_id, "displayName": change.display_name, "type": change.kind.value},
        "verdict": {
            "presence": intent.verdict.presence.value,
            "inScope": intent.failure is None and not intent.verdict.left_scope,
            "reason": intent.verdict.reason,
            "skipReason": intent.verdict.skip_reason.value if intent.verdict.skip_reason is not None else None,
            "details": dict(intent.verdict.details),
        },
        "grants": [
            {
                "role": grant.role_display_name,
                "via": grant.via_group_name or "direct",
                "viaId": grant.via_group_id,
            }
            for grant in change.grants
        ],
        "failure": None if intent.failure is None else {"code": intent.failure.code, "reason": intent.failure.sentence},
        "matching": [{"attribute": item.attribute, "value": item.shown} for item in intent.matching],
        "mappings": [row(item) for item in rules.values],
        "link": None
        if link is None
        else {"targetId": link.target_id, "state": link.state.value, "owned": link.owned.value},
    }


def _cause(parts: JobParts, intent: Intent) -> Cause | None:
    """Returns what took somebody out, as far as it is known; None for who is in."""
    change, source = intent.change, parts.source
    if intent.verdict.presence is Presence.PRESENT:
        return None
    if not isinstance(source, EvidentSource):
        return cause_of_removal(intent, None)
    by_filter = bool(intent.verdict.missing_groups)
    found = source.causes(change.kind, [change.source_id], None, by_filter=by_filter)
    return cause_of_removal(intent, found.get(change.source_id))


def _tree(explained: Explained) -> dict[str, Any]:
    return {
        "expression": explained.expression,
        "value": explained.value,
        "error": explained.error,
        "parts": [_tree(child) for child in explained.children],
    }


def find_change(parts: JobParts, name: str) -> Change | None:
    """Returns a person, or else a group, by id or principal name."""
    for kind in (ObjectKind.USER, ObjectKind.GROUP):
        if kind in parts.rules.kinds:
            change = parts.source.read_one(kind, name)
            if change is not None:
                return change
    return None
