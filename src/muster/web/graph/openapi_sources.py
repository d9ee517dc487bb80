"""What bodies and answers about sources look like: JSON schemas by name."""

from muster.model.job import JobCode
from muster.web.graph.openapi_shapes import (
    COUNT,
    FLAG,
    MAYBE,
    MAYBE_INSTANT,
    TEXT,
    Schema,
    listed,
    mapped,
    named,
    one_of,
    texts,
    thing,
    whole,
)

SOURCES: dict[str, Schema] = {
    "sourceKind": whole(
        {
            **texts("id", "kind", "displayName", "description", "readEvery"),
            "connection": listed(
                whole(
                    {
                        **texts("name", "label"),
                        "required": FLAG,
                        "secret": FLAG,
                        "hint": TEXT,
                        "default": MAYBE,
                        "choices": listed(TEXT),
                    }
                )
            ),
        }
    ),
    "source": whole(
        {
            **texts("id", "displayName", "kind", "jobId"),
            "state": one_of(JobCode),
            "precedence": COUNT,
            "attributePrecedence": mapped(COUNT),
            "localEditsFirst": listed(TEXT),
            "mirror": named("mirror"),
        }
    ),
    "sourceWrite": thing({**texts("kind", "displayName"), "connection": mapped(TEXT)}, "kind"),
    "mirror": whole(
        {
            "users": COUNT,
            "groups": COUNT,
            "readDateTime": MAYBE_INSTANT,
            "isBeingRead": FLAG,
            "isComplete": FLAG,
            "completeDateTime": MAYBE_INSTANT,
            "incompleteBecause": MAYBE,
            "missing": COUNT,
            "problems": listed(TEXT),
            "problemCount": COUNT,
        }
    ),
    "foundAtSource": whole({"found": TEXT}),
    "removedPeople": whole({"removedPeople": COUNT}),
    "acceptedMissing": whole({"accepted": COUNT}),
    "origin": whole(
        {
            "attribute": TEXT,
            **dict.fromkeys(("source", "servicePrincipalId", "jobId", "sourceId"), MAYBE),
            "sinceDateTime": MAYBE_INSTANT,
        }
    ),
}
