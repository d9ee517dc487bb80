"""…/jobs/{job}/wireLog (ours): requests to the application and its answers, while somebody has switched that on."""

from muster.administration import wire_log
from muster.administration.refusals import bad_request
from muster.model.wire import WireExchange
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call, Document
from muster.web.graph.render import instant


def list_exchanges(call: Call) -> Answer:
    """GET …/jobs/{job}/wireLog?sourceId=…&cycleId=…"""
    sp, limit = application_of(call).service_principal_id, call.options().limit
    source, cycle = call.query.get("sourceId"), call.query.get("cycleId")
    found = wire_log.wire_exchanges(call.desk, sp, call.parts["job"], source, limit, cycle_id=cycle)
    return call.collection("wireLog", found, _shown)


def switch(call: Call) -> Answer:
    """POST …/jobs/{job}/wireLog: {"minutes": 30}; 0 ends it."""
    minutes = call.fields().get("minutes")
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        raise bad_request('Say for how long: {"minutes": 30}.')
    until = wire_log.switch_wire_log(call.desk, application_of(call).service_principal_id, call.parts["job"], minutes)
    return Answer(document={"untilDateTime": instant(until)})


def _shown(found: WireExchange) -> Document:
    return {
        "sentDateTime": instant(found.at),
        "sourceId": found.source_id,
        "cycleId": found.cycle_id,
        "method": found.method,
        "url": found.url,
        "requestBody": found.request_body,
        "status": found.status,
        "responseBody": found.response_body,
        "durationInMilliseconds": int(found.elapsed.total_seconds() * 1000),
        "trouble": found.trouble,
    }
