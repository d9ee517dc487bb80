"""How an application is talked to (ours): its dialect with origins, and an examination of what it really does."""

from collections.abc import Sequence

from muster.administration import dialects
from muster.administration.dialects import DialectField
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call


def get_dialect(call: Call) -> Answer:
    """GET …/synchronization/dialect: every field, its value, where it comes from, and what cycles found instead."""
    return _shown(dialects.dialect_of(call.desk, application_of(call).service_principal_id))


def update_dialect(call: Call) -> Answer:
    """PATCH …/synchronization/dialect: sets fields; null gives one back to the gallery page."""
    return _shown(dialects.set_dialect(call.desk, application_of(call).service_principal_id, call.fields()))


def examine(call: Call) -> Answer:
    """POST …/synchronization/examine: some sixty requests that only read; its `dialect` is ready for a PATCH."""
    return Answer(document=dict(dialects.examine(call.desk, application_of(call).service_principal_id)))


def _shown(fields: Sequence[DialectField]) -> Answer:
    return Answer(
        document={
            "dialect": {item.name: item.value for item in fields},
            "origins": {item.name: item.origin for item in fields},
            "discovered": {item.name: item.discovered for item in fields if item.discovered is not None},
        }
    )
