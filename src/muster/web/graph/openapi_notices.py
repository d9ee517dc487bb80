"""What bodies and answers about notifications and the wire log look like: JSON schemas by name."""

from muster.model.language import Language
from muster.model.notice import Channel, DeliveryState, MailSecurity, NoticeKind
from muster.web.graph.openapi_shapes import (
    COUNT,
    FLAG,
    INSTANT,
    MAYBE,
    MAYBE_INSTANT,
    TEXT,
    Schema,
    listed,
    one_of,
    or_null,
    texts,
    thing,
    whole,
)

NOTICES: dict[str, Schema] = {
    "notificationSettings": whole(
        {
            "mail": or_null(
                whole(
                    {
                        "host": TEXT,
                        "port": {"type": "integer"},
                        "security": one_of(MailSecurity),
                        "sender": TEXT,
                        "user": MAYBE,
                        "password": MAYBE,
                    }
                )
            ),
            "webhook": or_null(whole(texts("url", "secret"))),
            "recipients": listed(TEXT),
            "language": or_null(one_of(Language)),
            "heldByEnvironment": listed(TEXT),
        }
    ),
    "notificationSettingsWrite": thing(
        {
            "mail": or_null(
                thing(
                    {
                        **texts("host", "sender", "user", "password"),
                        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                        "security": one_of(MailSecurity),
                    },
                    "host",
                    "sender",
                )
            ),
            "webhook": or_null(thing(texts("url", "secret"), "url")),
            "recipients": listed(TEXT),
            "language": or_null(one_of(Language)),
        }
    ),
    "recipients": thing({"recipients": listed(TEXT)}),
    "notificationsTold": whole(
        {"value": listed(whole({"channel": one_of(Channel), "recipient": TEXT, "arrived": FLAG, "trouble": MAYBE}))}
    ),
    "delivery": whole(
        {
            "id": TEXT,
            "channel": one_of(Channel),
            "recipient": TEXT,
            "state": one_of(DeliveryState),
            "attempts": COUNT,
            "sentDateTime": MAYBE_INSTANT,
            "nextAttemptDateTime": MAYBE_INSTANT,
            "trouble": MAYBE,
            "notice": whole(
                {
                    "id": TEXT,
                    "kind": one_of(NoticeKind),
                    "activityDateTime": INSTANT,
                    "servicePrincipalId": MAYBE,
                    "jobId": MAYBE,
                    "reason": MAYBE,
                    "count": COUNT,
                }
            ),
        }
    ),
    "wireExchange": whole(
        {
            "sentDateTime": INSTANT,
            "sourceId": MAYBE,
            "cycleId": MAYBE,
            **texts("method", "url"),
            "requestBody": MAYBE,
            "status": {"type": ["integer", "null"]},
            "responseBody": MAYBE,
            "durationInMilliseconds": COUNT,
            "trouble": MAYBE,
        }
    ),
    "wireLogWrite": thing({"minutes": {"type": "integer", "minimum": 0, "maximum": 1440}}, "minutes"),
    "wireLog": whole({"untilDateTime": MAYBE_INSTANT}),
}
