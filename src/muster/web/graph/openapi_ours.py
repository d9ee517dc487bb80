"""What bodies and answers of our own calls look like, beside those of Graph: JSON schemas by name."""

from muster.model.cause import CauseKind
from muster.model.directory import ObjectKind
from muster.model.discovery import Standing
from muster.model.hold import HoldCode, HoldState
from muster.model.job import Counters, CycleKind, CyclePhase, CycleState
from muster.model.operation import LinkState, OperationKind, Presence
from muster.model.whatif import Transition
from muster.planning.drift import DriftAction
from muster.planning.policy import Approval
from muster.ports.administration import WorkKind
from muster.scim.dialect import Dialect
from muster.web.graph import render_jobs
from muster.web.graph.openapi_notices import NOTICES
from muster.web.graph.openapi_plans import CHANGE, PLANS
from muster.web.graph.openapi_shapes import (
    ANY,
    COUNT,
    FLAG,
    INSTANT,
    MAYBE,
    MAYBE_INSTANT,
    TEXT,
    Schema,
    listed,
    mapped,
    named,
    one_of,
    or_null,
    texts,
    thing,
    whole,
)
from muster.web.graph.openapi_sources import SOURCES

_KIND = one_of(ObjectKind)
_MAYBE_COUNT: Schema = {"type": ["integer", "null"]}
_DIFFERENCE = whole({"path": TEXT, "oldValue": ANY, "newValue": ANY})
_WHAT_IF: Schema = {
    "jobId": TEXT,
    "considered": COUNT,
    "affected": COUNT,
    "sentence": TEXT,
    "summary": listed(whole({"transition": one_of(Transition), "attribute": MAYBE, "count": COUNT, "sentence": TEXT})),
    "heldReasons": listed(TEXT),
    "requests": COUNT,
    "objects": listed(
        whole(
            {
                **texts("sourceId", "sourceName"),
                "objectType": _KIND,
                "transition": one_of(Transition),
                "before": MAYBE,
                "after": MAYBE,
                "reason": TEXT,
                "cause": or_null(named("cause")),
                "changes": listed(CHANGE),
            }
        )
    ),
}
_CERTIFICATE = whole(
    {
        **texts("subject", "issuer", "serialNumber"),
        "notBefore": INSTANT,
        "notAfter": INSTANT,
        "sha256Fingerprint": TEXT,
        "names": listed(TEXT),
        "isAuthority": FLAG,
        "pem": TEXT,
    }
)
_TREE = whole({"expression": TEXT, "value": MAYBE, "error": MAYBE, "parts": listed(ANY)})
_VERSION: Schema = {"version": TEXT, "savedDateTime": INSTANT, "savedBy": TEXT}
_FIELDS: Schema = dict.fromkeys(Dialect().to_document(), ANY)
_FILTER = thing(dict.fromkeys(("state", "code", "cause", "kind", "objectType", "search"), TEXT))
_CONFIGURED = thing({"configuration": {"type": "object"}, "secrets": mapped(mapped(TEXT))}, "configuration")

OURS: dict[str, Schema] = {
    # ------------------------------------------------------------ work, cycles, plans
    "failure": whole({**texts("code", "reason", "recommendedAction"), "targetStatus": _MAYBE_COUNT}),
    "cause": whole({"key": TEXT, "kind": one_of(CauseKind), "subject": MAYBE, "sentence": TEXT}),
    "counters": whole(dict.fromkeys(render_jobs.counters(Counters()), COUNT)),
    "awaitedAssignment": whole(
        {
            **texts("id", "principalName", "appRoleId"),
            "principalType": _KIND,
            "createdDateTime": INSTANT,
        }
    ),
    "work": whole(
        {
            "id": TEXT,
            "kind": one_of(WorkKind),
            "jobId": TEXT,
            "state": {"enum": ["queued", "running", "done", "failed"]},
            "askedBy": TEXT,
            "askedDateTime": INSTANT,
            "answer": {"type": ["object", "null"]},
            "counters": or_null(named("counters")),
            "notices": listed(TEXT),
        }
    ),
    "cycle": whole(
        {
            **texts("id", "jobId"),
            "kind": one_of(CycleKind),
            "state": one_of(CycleState),
            "phase": one_of(CyclePhase),
            "beganDateTime": INSTANT,
            "endedDateTime": MAYBE_INSTANT,
            "progressedDateTime": MAYBE_INSTANT,
            "objectsPerSecond": {"type": ["number", "null"]},
            "expectedEndDateTime": MAYBE_INSTANT,
            "restsUntilDateTime": MAYBE_INSTANT,
            "completeRead": {"type": ["boolean", "null"]},
            "counters": named("counters"),
            "failure": or_null(named("failure")),
        }
    ),
    "cycleWanted": thing({"kind": {"const": CycleKind.RECONCILIATION.value}}),
    **PLANS,
    "whatIfWanted": thing(
        {
            "schema": {"type": "object"},
            "syncAll": FLAG,
            "transitiveGroups": FLAG,
            "acceptsDefaultAccess": FLAG,
            "skipOutOfScopeDeletions": FLAG,
            "top": COUNT,
        }
    ),
    "whatIf": whole(_WHAT_IF),
    "explanation": thing(
        {
            "seq": COUNT,
            "cause": or_null(whole({"kind": one_of(CauseKind), "sentence": TEXT, "subject": TEXT})),
            "source": whole({"id": TEXT, "displayName": TEXT, "type": _KIND}),
            "verdict": thing({"presence": one_of(Presence), "inScope": FLAG, "reason": TEXT}, "presence", "reason"),
            "grants": listed(thing({**texts("role", "via"), "viaId": MAYBE, "path": listed(TEXT)})),
            "failure": or_null(whole(texts("code", "reason"))),
            "matching": listed(whole(texts("attribute", "value"))),
            "mappings": listed(
                thing(
                    {
                        "targetAttribute": TEXT,
                        "expression": MAYBE,
                        "flowType": TEXT,
                        "flowsOnce": FLAG,
                        "value": MAYBE,
                        "lastSent": MAYBE,
                        "lastSentDateTime": MAYBE_INSTANT,
                        "acknowledgedAs": MAYBE,
                        "tree": or_null(_TREE),
                        "origins": listed(
                            whole(
                                {
                                    **texts("attribute", "source", "sourceId"),
                                    "servicePrincipalId": MAYBE,
                                    "sinceDateTime": MAYBE_INSTANT,
                                }
                            )
                        ),
                    },
                    "targetAttribute",
                )
            ),
            "link": or_null(whole({"targetId": TEXT, "state": one_of(LinkState), "owned": one_of(LinkState)})),
            "outlook": whole(
                {
                    "state": TEXT,
                    "expectedDateTime": MAYBE_INSTANT,
                    "objectsBefore": _MAYBE_COUNT,
                    "nextAttempt": {"type": ["object", "null"]},
                    "hold": or_null(
                        whole(
                            {
                                "id": TEXT,
                                "operation": one_of(OperationKind),
                                "code": one_of(HoldCode),
                                "state": one_of(HoldState),
                                "reason": TEXT,
                                "heldDateTime": INSTANT,
                            }
                        )
                    ),
                }
            ),
            "history": listed(
                whole(
                    {
                        "activityDateTime": INSTANT,
                        "action": TEXT,
                        "status": TEXT,
                        "reason": MAYBE,
                        **texts("id", "cycleId", "changeId"),
                    }
                )
            ),
            "chain": listed(whole({"what": TEXT, "dateTime": MAYBE_INSTANT, "sentence": MAYBE, "by": MAYBE})),
        },
        "source",
        "verdict",
        "mappings",
        "outlook",
    ),
    # ------------------------------------------------------------ safeguards and links
    "heldOperation": whole(
        {
            "id": TEXT,
            "state": one_of(HoldState),
            "code": one_of(HoldCode),
            "reason": TEXT,
            "heldDateTime": INSTANT,
            "dueDateTime": MAYBE_INSTANT,
            "decidedBy": MAYBE,
            "decidedDateTime": MAYBE_INSTANT,
            "cycleId": MAYBE,
            "cause": or_null(named("cause")),
            "operation": named("operation"),
        }
    ),
    "heldCause": whole(
        {
            "cause": or_null(named("cause")),
            "state": one_of(HoldState),
            "code": one_of(HoldCode),
            "kind": one_of(OperationKind),
            "count": COUNT,
        }
    ),
    "heldSelection": {
        "anyOf": [
            thing({"ids": listed(TEXT)}, "ids"),
            thing({"filter": _FILTER}, "filter"),
            thing({"all": {"const": True}}, "all"),
        ]
    },
    "approved": thing(
        {
            "approved": COUNT,
            "undecided": COUNT,
            "stayed": listed(whole({"displayName": TEXT, "reason": TEXT})),
        },
        "approved",
        "undecided",
    ),
    "rejected": whole({"rejected": COUNT, "undecided": COUNT}),
    "safeguards": whole(
        {
            "approval": one_of(Approval),
            "thresholds": whole(
                {
                    "enabled": FLAG,
                    "count": _MAYBE_COUNT,
                    "share": {"type": ["number", "null"]},
                    "shareFrom": whole({"removals": COUNT, "population": COUNT}),
                    "rollingDay": whole({"count": _MAYBE_COUNT, "share": {"type": ["number", "null"]}}),
                    "byKind": mapped(TEXT),
                }
            ),
            "protected": whole({"users": listed(TEXT), "groups": listed(TEXT), "roles": listed(TEXT)}),
            "deleteGracePeriod": TEXT,
            "skipOutOfScopeDeletions": FLAG,
            "settings": mapped(TEXT),
        }
    ),
    "safeguardsWanted": thing({"settings": mapped(TEXT)}),
    "safeguardsWeighed": whole(
        {
            **dict.fromkeys(("considered", "removals", "held", "membersRemoved", "membersHeld"), COUNT),
            **dict.fromkeys(("protected", "spared", "waiting", "writesHeld"), COUNT),
            "isPartial": FLAG,
            "heldReasons": listed(TEXT),
        }
    ),
    "safeguardsWrite": thing({"settings": mapped(TEXT), "skipOutOfScopeDeletions": FLAG}),
    "link": whole(
        {
            "sourceId": TEXT,
            "sourceType": _KIND,
            "displayName": MAYBE,
            "targetId": TEXT,
            "state": one_of(LinkState),
            "owned": one_of(LinkState),
        }
    ),
    "linkSelection": {
        "anyOf": [thing({"sourceIds": listed(TEXT)}, "sourceIds"), thing({"all": {"const": True}}, "all")]
    },
    "promoted": whole({"promoted": COUNT, "sourceIds": listed(TEXT)}),
    "reconciliation": whole(
        {
            "driftPolicy": whole({"default": one_of(DriftAction), "attributes": mapped(one_of(DriftAction))}),
            "nextDateTime": MAYBE_INSTANT,
            "lastCycle": or_null(named("cycle")),
            "linkedAccounts": COUNT,
            "unmanagedAccounts": mapped(COUNT),
        }
    ),
    "discoveredAccount": whole(
        {
            "targetId": TEXT,
            "targetType": _KIND,
            "displayName": MAYBE,
            "standing": one_of(Standing),
            "sourceId": MAYBE,
            "sourceName": MAYBE,
        }
    ),
    # ------------------------------------------------------------ rules and the way to the application
    "problems": whole({"valid": FLAG, "problems": listed(TEXT)}),
    "schemaVersion": whole(_VERSION),
    "schemaVersionWhole": whole({**_VERSION, "changes": listed(_DIFFERENCE), "schema": {"type": "object"}}),
    "savedVersion": whole({"version": TEXT}),
    "listedAttribute": thing(
        {
            **texts("name", "type", "mutability"),
            "anchor": FLAG,
            "caseExact": FLAG,
            "multivalued": FLAG,
            "required": FLAG,
            "defaultValue": ANY,
            "referencedObjects": listed({"type": "object"}),
            "mappedBy": listed(TEXT),
        },
        "name",
        "type",
        "mappedBy",
    ),
    "attributeWrite": thing(
        {
            **texts("name", "type", "mutability"),
            "caseExact": FLAG,
            "multivalued": FLAG,
            "required": FLAG,
            "referencedObjects": listed({"type": "object"}),
        }
    ),
    "dialect": whole(
        {
            "dialect": thing(_FIELDS),
            "origins": mapped({"enum": ["standard", "gallery", "administrator"]}),
            "discovered": thing(_FIELDS),
        }
    ),
    "dialectWrite": thing(_FIELDS),
    "examination": thing(
        {
            "grade": TEXT,
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "counts": mapped(COUNT),
            "requests": COUNT,
            "left": listed(TEXT),
            "probes": listed(whole(texts("name", "area", "title", "weight", "source", "verdict", "evidence"))),
            "dialect": thing(_FIELDS),
            "origins": mapped(TEXT),
        }
    ),
    "presentedCertificate": whole(
        {
            "host": TEXT,
            "isTrusted": FLAG,
            "problem": MAYBE,
            "chain": listed(_CERTIFICATE),
            "trustable": or_null(_CERTIFICATE),
        }
    ),
    **NOTICES,
    **SOURCES,
    # ------------------------------------------------------------ configuration as code
    "configuration": thing({"applications": ANY}),
    "configurationSchema": thing({"$schema": TEXT, "title": TEXT}, "$schema"),
    "configurationWanted": _CONFIGURED,
    "configurationApply": {**_CONFIGURED, "properties": {**_CONFIGURED["properties"], "expectedHash": TEXT}},
    "configurationPlan": whole(
        {
            "hash": TEXT,
            "differences": listed(_DIFFERENCE),
            "unnamed": listed(TEXT),
            "assigned": listed(whole({"application": TEXT, "people": COUNT, "sentence": TEXT})),
            "consequences": listed(whole({"application": TEXT, **_WHAT_IF})),
        }
    ),
}
