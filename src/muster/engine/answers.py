"""What is answered to whoever asked the engine for work that failed: why, and what to do."""

import logging
from collections.abc import Mapping

from muster.database.outage import outage_of
from muster.database.saying import say_failure
from muster.model.failures import ProvisioningFailure
from muster.ports.administration import Work

logger = logging.getLogger(__name__)

_LOOK_AT_THE_LOG = "A cycle that had begun goes on by itself: look at the log, then ask again."
INTERRUPTED = {
    "code": "Interrupted",
    "reason": "The engine ended while it was at this.",
    "recommendedAction": _LOOK_AT_THE_LOG,
}
_CUT_OFF = {
    "code": "Interrupted",
    "reason": "The database could not be reached while the engine was at this.",
    "recommendedAction": _LOOK_AT_THE_LOG,
}
_OUR_FAULT = {
    "code": "InternalError",
    "reason": "The engine could not do this; the traceback is in its log.",
    "recommendedAction": "Look at the log of the engine process and report it.",
}


def tell_failure(work: Work, error: Exception) -> Mapping[str, str]:
    """Returns the answer to work that ended with this error, which is logged if it is none of provisioning."""
    if isinstance(error, ProvisioningFailure):
        record = error.record()
        return {"code": record.code, "reason": record.sentence, "recommendedAction": record.remedy}
    say_failure(logger, "work failed", error, {"work_id": work.id, "kind": work.kind.value})
    return _OUR_FAULT if outage_of(error) is None else _CUT_OFF
