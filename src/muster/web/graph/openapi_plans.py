"""What plans and their operations look like, as JSON schemas by name."""

from muster.model.directory import ObjectKind
from muster.model.hold import HoldCode
from muster.model.job import PlanKind
from muster.model.operation import OperationKind, Verb
from muster.web.graph.openapi_shapes import (
    COUNT,
    FLAG,
    INSTANT,
    MAYBE,
    MAYBE_INSTANT,
    TEXT,
    Schema,
    listed,
    named,
    one_of,
    or_null,
    texts,
    whole,
)

CHANGE = whole({"displayName": TEXT, "verb": one_of(Verb), "oldValue": MAYBE, "newValue": MAYBE})
_OPERATION: Schema = {
    "changeId": TEXT,
    "kind": one_of(OperationKind),
    "objectType": one_of(ObjectKind),
    **texts("sourceId", "sourceName"),
    "targetId": MAYBE,
    "targetName": MAYBE,
    "reason": TEXT,
    "cause": or_null(named("cause")),
    "skipReason": MAYBE,
    "failure": or_null(named("failure")),
    "changes": listed(CHANGE),
}
_PLAN: Schema = {
    **texts("id", "hash", "jobId"),
    "madeDateTime": INSTANT,
    "appliedDateTime": MAYBE_INSTANT,
    "counters": named("counters"),
    "requests": COUNT,
    "duration": TEXT,
    "kind": one_of(PlanKind),
    "cycleId": MAYBE,
    "operationCount": COUNT,
    "heldCount": COUNT,
}

PLANS: dict[str, Schema] = {
    "operation": whole(_OPERATION),
    "planSummary": whole(_PLAN),
    "heldInPlan": whole({**_OPERATION, "holdCode": one_of(HoldCode), "holdReason": TEXT}),
    "plan": whole(
        {
            **_PLAN,
            "summary": TEXT,
            "groups": listed(whole({**texts("kind", "key", "sentence"), "held": FLAG, "count": COUNT})),
            "operations": listed(named("operation")),
            "operations@odata.nextLink": MAYBE,
            "held": listed(named("heldInPlan")),
            "held@odata.nextLink": MAYBE,
            "irreversible": listed(whole({**texts("sourceId", "sourceName", "reason"), "attribute": MAYBE})),
            "failedWaiting": whole({"count": COUNT, "nextAttemptDateTime": MAYBE_INSTANT}),
        }
    ),
}
