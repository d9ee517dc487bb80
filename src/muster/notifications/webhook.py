"""A notice as a signed request to a webhook.

Source: Standard Webhooks (standardwebhooks.com): `webhook-id`, `webhook-timestamp` and `webhook-signature`, which is
`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. The receiver refuses old timestamps and ids it has seen.
"""

import base64
import hmac
from datetime import datetime, timedelta

import orjson

from muster.model.exchange import ExchangeFailed, HttpRequest
from muster.model.notice import Notice, Webhook
from muster.notifications.letter import Letter
from muster.ports.notifier import DeliveryFailed
from muster.ports.transport import Transport
from muster.sealing import read_webhook_secret

DEADLINE = timedelta(seconds=20)
_GONE = 410


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Returns the signature of a message, `v1,…`. Raises: ValueError for a secret that is none."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(read_webhook_secret(secret), signed, "sha256")).decode()


def form_request(
    webhook: Webhook, notice: Notice, letter: Letter, application: str, delivery_id: str, at: datetime
) -> HttpRequest:
    """Returns the signed request; `at` is the instant of the attempt, so that one that is late is not taken for old."""
    body = orjson.dumps(
        {
            "type": notice.kind.value,
            "timestamp": notice.at,
            "data": {
                "noticeId": notice.id,
                "servicePrincipalId": notice.service_principal_id,
                "applicationDisplayName": application or None,
                "jobId": notice.job_id,
                "cycleId": notice.cycle_id,
                "reason": notice.reason,
                "summary": letter.happened,
                "todo": list(letter.todo),
                "error": None
                if notice.failure is None
                else {"code": notice.failure.code, "message": notice.failure.sentence},
                "causes": [
                    {
                        "code": cause.code,
                        "message": cause.sentence,
                        "recommendedAction": cause.remedy,
                        "count": cause.count,
                    }
                    for cause in notice.causes
                ],
                "count": notice.count,
                "since": notice.since,
                "nextAttempt": notice.next_attempt_at,
                "links": dict(letter.links),
            },
        }
    )
    timestamp = int(at.timestamp())
    return HttpRequest(
        method="POST",
        url=webhook.url,
        headers={
            "content-type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(webhook.secret, delivery_id, timestamp, body),
        },
        body=body,
    )


def call(transport: Transport, request: HttpRequest) -> None:
    """Returns once the receiver has taken the request (2xx). Raises: DeliveryFailed, final for 410 Gone."""
    try:
        response = transport.send(request, deadline=DEADLINE)
    except ExchangeFailed as failure:
        raise DeliveryFailed(f"The webhook was not told: {failure.sentence}.") from None
    if not 200 <= response.status < 300:
        raise DeliveryFailed(
            f"The webhook answered HTTP {response.status}; it is told again.", is_final=response.status == _GONE
        )
