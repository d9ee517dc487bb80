"""All that the Configuration Manager answers: SCIM under each customer's address, health, and the console."""

from collections.abc import Callable, Sequence

from muster.configuration_manager.customer import PREFIX
from muster.configuration_manager.scim_face import ScimFace
from muster.http_server.messages import Answer, Application, Lane, Request
from muster.scim.errors import ResourceNotFound
from muster.scim.limits import DEFAULT_LIMITS
from muster.scim.messages import answer_error, answer_refusal

HEALTH = b"/healthz"
READINESS = b"/readyz"
METRICS = b"/metrics"
HEALTHY = Answer(200, [("Content-Type", "text/plain; charset=utf-8")], b"ok\n")
_PREFIX = PREFIX.encode()


class Site:
    """The application of the HTTP server."""

    def __init__(
        self,
        scim: ScimFace,
        *,
        console: Application | None = None,
        trouble: Callable[[], str | None] = lambda: None,
        measure: Callable[[Request], Answer] | None = None,
    ) -> None:
        """Args:
        trouble: why requests cannot be answered now, None if they can.
        measure: answers a request for metrics.
        """
        self._scim = scim
        self._console = console
        self._trouble = trouble
        self._measure = measure

    def choose_lane(self, request: Request) -> Lane:
        """SCIM says it for its own; the console takes its time."""
        if request.target.startswith(_PREFIX):
            return self._scim.choose_lane(request)
        return Lane.HERE if request.target == HEALTH or self._console is None else Lane.APART

    def answer(self, request: Request) -> Answer:
        """The answer of SCIM, of the console, or that of health."""
        if request.target.startswith(_PREFIX):
            return self._scim.answer(request)
        if request.target == HEALTH:
            return HEALTHY
        if request.target == READINESS:
            return _as_text(self._trouble())
        if request.target == METRICS and self._measure is not None:
            return self._measure(request)
        if self._console is not None:
            return self._console.answer(request)
        refused = answer_error(ResourceNotFound("There is no such page."))
        return Answer(refused.status, list(refused.headers.items()), refused.body)

    def answer_together(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """SCIM's writes."""
        return self._scim.answer_together(requests)

    def limit_body(self, _: bytes) -> int:
        """The limit of SCIM; the console's own is narrower."""
        return DEFAULT_LIMITS.body_bytes

    def refuse(self, status: int, sentence: str, target: bytes) -> Answer:
        """A SCIM error, unless it was the console that was asked."""
        if self._console is not None and target and not target.startswith(_PREFIX):
            return self._console.refuse(status, sentence, target)
        refused = answer_refusal(status, sentence)
        return Answer(refused.status, list(refused.headers.items()), refused.body)


def _as_text(trouble: str | None) -> Answer:
    content_type = [("Content-Type", "text/plain; charset=utf-8")]
    return (
        Answer(200, content_type, b"ready\n") if trouble is None else Answer(503, content_type, f"{trouble}\n".encode())
    )
