"""/notifications: settings with their secrets masked, a test, deliveries; who may and who may not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from faces.house import House
from fakes.mail_server import mail_server
from muster.model.notice import Channel, MailSecurity, MailServer, Notice, NoticeKind, NotificationSettings
from muster.model.roles import Role
from muster.ports.notifier import NewDelivery

SETTINGS = "/notifications/settings"
MAIL: dict[str, Any] = {
    "host": "mail.example.com",
    "port": 587,
    "security": "starttls",
    "sender": "muster@example.com",
    "user": "muster",
    "password": "s3cret-word",
}


def test_nothing_is_set_at_first(house: House) -> None:
    shown = house.call("GET", SETTINGS).body
    assert (shown["mail"], shown["webhook"], shown["recipients"], shown["heldByEnvironment"]) == (None, None, [], [])


def test_what_is_set_is_shown_with_its_password_masked(house: House) -> None:
    answer = house.call("PATCH", SETTINGS, {"mail": MAIL, "recipients": ["it@example.com", "it@example.com"]})
    assert answer.status == 200
    assert answer.body["mail"] == {**MAIL, "password": "********"}
    assert answer.body["recipients"] == ["it@example.com"]
    assert "s3cret" not in answer.text + house.call("GET", SETTINGS).text
    assert house.stores.audit.search(after=None, limit=1)[0][0].changes == (
        ("mail", None, "mail.example.com:587 (starttls), from muster@example.com"),
        ("recipients", None, "it@example.com"),
    )


def test_the_language_of_mails_is_set_and_taken_back(house: House) -> None:
    assert house.call("GET", SETTINGS).body["language"] is None
    assert house.call("PATCH", SETTINGS, {"language": "nl"}).body["language"] == "nl"
    assert house.call("PATCH", SETTINGS, {"recipients": ["it@example.com"]}).body["language"] == "nl"
    assert house.stores.audit.search(after=None, limit=2)[0][1].changes == (("language", None, "nl"),)
    assert house.call("PATCH", SETTINGS, {"language": None}).body["language"] is None


def test_the_masked_password_keeps_the_old_one_but_not_for_another_server(house: House) -> None:
    house.call("PATCH", SETTINGS, {"mail": MAIL})
    kept = house.call("PATCH", SETTINGS, {"mail": {**MAIL, "password": "********", "sender": "other@example.com"}})
    assert kept.status == 200
    mail = house.services.notifications.settings().mail
    assert mail is not None
    assert (mail.password, mail.sender) == ("s3cret-word", "other@example.com")
    for other in ({"host": "evil.example.com"}, {"security": "tls"}, {"port": 25}, {"user": "other"}):
        refused = house.call("PATCH", SETTINGS, {"mail": {**MAIL, "password": "********", **other}})
        assert refused.status == 400 and "password entered" in refused.message


def test_a_new_webhook_gets_a_secret_that_is_shown_once(house: House) -> None:
    hook = {"url": "https://hooks.example.com/x"}
    made = house.call("PATCH", SETTINGS, {"webhook": hook}).body["webhook"]["secret"]
    assert made.startswith("whsec_")
    assert house.call("GET", SETTINGS).body["webhook"] == {**hook, "secret": "********"}
    again = house.call("PATCH", SETTINGS, {"webhook": {**hook, "secret": "********"}}).body
    assert again["webhook"]["secret"] == "********"
    webhook = house.services.notifications.settings().webhook
    assert webhook is not None and webhook.secret == made
    assert house.call("PATCH", SETTINGS, {"webhook": None}).body["webhook"] is None
    assert made not in str(house.stores.audit.search(after=None, limit=10))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "none is given"),
        ({"smtp": {}}, "“smtp” is none of them"),
        ({"mail": []}, "mail takes an object"),
        ({"language": "de"}, "language is one of en, nl"),
        ({"mail": {**MAIL, "host": ""}}, "host"),
        ({"mail": {**MAIL, "host": "user@host"}}, "without user"),
        ({"mail": {**MAIL, "host": "a\r\nb"}}, "printable"),
        ({"mail": {**MAIL, "port": 0}}, "1 to 65535"),
        ({"mail": {**MAIL, "port": "25"}}, "whole number"),
        ({"mail": {**MAIL, "security": "ssl"}}, "starttls, tls, none"),
        ({"mail": {**MAIL, "security": "none"}}, "in the clear"),
        ({"mail": {**MAIL, "sender": "a@x.nl\r\nBcc: b@x.nl"}}, "one mail address"),
        ({"mail": {**MAIL, "user": None}}, "needs its user"),
        ({"mail": {**MAIL, "host": "forbidden.example.com"}}, "is private"),
        ({"recipients": ["nobody"]}, "is no mail address"),
        ({"recipients": "a@x.nl"}, "takes a list"),
        ({"recipients": [f"a{number}@x.nl" for number in range(21)]}, "At most 20"),
        ({"webhook": {"url": "ftp://x"}}, "begins with https://"),
        ({"webhook": {"url": "https://user:word@x.nl/"}}, "holds no user"),
        ({"webhook": {"url": "https://[x/"}}, "no web address"),
        ({"webhook": {"url": "https://10.0.0.1/"}}, "10.0.0.1 is a private address; if it is meant, allow it with"),
        ({"webhook": {"url": "https://169.254.169.254/latest"}}, "would not be told"),
        ({"webhook": {"url": "http://hooks.example.com/"}}, "not called over plain http"),
        ({"webhook": {"url": "https://x.nl/", "secret": "short"}}, "24 to 64 bytes"),
    ],
)
def test_wrong_settings_are_refused_by_name_and_change_nothing(house: House, body: dict[str, Any], said: str) -> None:
    answer = house.call("PATCH", SETTINGS, body)
    assert (answer.status, said in answer.message) == (400, True), answer.message
    assert "s3cret" not in answer.text
    assert house.services.notifications.settings() == NotificationSettings()


def test_one_wrong_part_leaves_the_others_as_they_were(house: House) -> None:
    assert house.call("PATCH", SETTINGS, {"mail": MAIL, "recipients": ["nobody"]}).status == 400
    assert house.services.notifications.settings() == NotificationSettings()


def test_what_the_environment_sets_cannot_be_changed_here(tmp_path: Path) -> None:
    mail = MailServer(host="mail", port=25, security=MailSecurity.NONE, sender="m@example.com")
    house = House(tmp_path, NotificationSettings(mail=mail))
    refused = house.call("PATCH", SETTINGS, {"mail": MAIL})
    assert (refused.status, "MUSTER_SMTP_HOST" in refused.message) == (409, True)
    shown = house.call("PATCH", SETTINGS, {"recipients": ["it@example.com"]}).body
    assert (shown["mail"]["host"], shown["heldByEnvironment"]) == ("mail", ["mail"])


@pytest.mark.parametrize("role", [Role.APPLICATION_ADMINISTRATOR, Role.GLOBAL_READER, Role.REPORTS_READER])
def test_only_a_global_administrator_changes_them(house: House, role: Role) -> None:
    token = house.token_for(role)
    assert house.call("PATCH", SETTINGS, {"recipients": []}, token=token).status == 403
    assert house.call("POST", "/notifications/test", {}, token=token).status == 403
    may_read = role is not Role.REPORTS_READER
    assert house.call("GET", SETTINGS, token=token).status == (200 if may_read else 403)


def test_a_test_says_of_each_recipient_whether_it_arrived(house: House) -> None:
    assert house.call("POST", "/notifications/test").code == "NotificationsNotConfigured"
    with mail_server() as kept:
        kept.refuse["gone@example.com"] = "550 no such user"
        plain = {"host": "localhost", "port": kept.port, "security": "none", "sender": "m@example.com"}
        house.call("PATCH", SETTINGS, {"mail": plain})
        assert house.call("POST", "/notifications/test").code == "NotificationsNotConfigured"
        told = house.call("POST", "/notifications/test", {"recipients": ["it@example.com", "gone@example.com"]}).body
        assert [(each["recipient"], each["arrived"]) for each in told["value"]] == [
            ("it@example.com", True),
            ("gone@example.com", False),
        ]
        assert "550" in told["value"][1]["trouble"]
        assert [mail["Subject"] for mail in kept.mails] == ["[Muster] Test of notifications"]
    assert house.call("POST", "/notifications/test", {"recipients": ["x\r\ny@z.nl"]}).status == 400


def test_deliveries_are_listed_newest_first(house: House) -> None:
    outbox, now = house.store.outbox, house.clock.at
    for number in (1, 2):
        outbox.notify(Notice(id=f"n{number}", kind=NoticeKind.QUARANTINED, at=now, job_id="job"))
        outbox.address(f"n{number}", [NewDelivery(id=f"d{number}", channel=Channel.MAIL, recipient="it@x.nl")], now)
    outbox.failed("d2", "no answer", now + timedelta(minutes=1))
    found = house.call("GET", "/notifications/deliveries?$top=5").body["value"]
    assert [(each["id"], each["state"], each["trouble"]) for each in found] == [
        ("d2", "waiting", "no answer"),
        ("d1", "waiting", None),
    ]
    assert found[0]["notice"]["kind"] == "quarantined"
