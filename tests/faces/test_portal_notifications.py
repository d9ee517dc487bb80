"""The page of notifications: mail server, webhook and recipients, a test, deliveries; nothing secret is shown twice."""

import re
from pathlib import Path

import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from muster.model.language import Language
from muster.model.notice import Channel, Notice, NoticeKind, NotificationSettings
from muster.model.roles import Role
from muster.ports.notifier import NewDelivery

HOSTILE = "<script>alert('x')</script>\"'&"
MAIL = {
    "part": "mail",
    "host": "mail.example.com",
    "port": "587",
    "security": "starttls",
    "sender": "muster@example.com",
    "user": "muster",
    "password": "mail-password-1",
}


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


def test_a_mail_server_is_kept_its_password_masked_and_removed(house: House, visit: Visit) -> None:
    assert visit.post("/notifications", **MAIL).headers["Location"] == "/notifications?said=saved"
    page = visit.text("/notifications")
    assert 'value="mail.example.com"' in page
    assert "mail-password-1" not in page
    assert visit.post("/notifications", **{**MAIL, "password": "", "sender": "it@example.com"}).status_code == 303
    kept = house.store.notification_settings.get().mail
    assert kept is not None and (kept.sender, kept.password) == ("it@example.com", "mail-password-1")
    assert visit.post("/notifications", part="mail", remove="1").status_code == 303
    assert house.store.notification_settings.get().mail is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({**MAIL, "port": "many"}, "whole number"),
        ({**MAIL, "sender": "nobody"}, "one mail address"),
        ({**MAIL, "security": "none"}, "in the clear"),
        ({**MAIL, "host": "forbidden.example.com"}, "it is private"),
        ({"part": "webhook", "url": "ftp://x"}, "begins with https://"),
        ({"part": "recipients", "recipients": "it@example.com, nobody"}, "“nobody” is no mail address"),
        ({"part": "everything"}, "is one of mail, webhook, recipients"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_form_as_it_was_filled_in(
    house: House, visit: Visit, given: dict[str, str], sentence: str
) -> None:
    answer = visit.post("/notifications", **given)
    assert (answer.status_code, sentence in answer.text) == (400, True)
    assert house.store.notification_settings.get() == NotificationSettings()


def test_the_secret_of_a_new_webhook_is_shown_once(house: House, visit: Visit) -> None:
    made = visit.post("/notifications", part="webhook", url="https://hooks.example.com/muster?key=1")
    kept = house.store.notification_settings.get().webhook
    assert kept is not None and kept.secret in made.text
    assert kept.secret not in visit.text("/notifications")
    again = visit.post("/notifications", part="webhook", url="https://hooks.example.com/muster?key=1")
    assert again.status_code == 303
    assert house.store.notification_settings.get().webhook == kept


def test_recipients_are_kept_and_a_test_says_what_came_of_it(house: House, visit: Visit) -> None:
    told = visit.post("/notifications/test", to="it@example.com")
    assert "There is no mail server yet" in told.text
    assert (
        visit.post("/notifications", part="recipients", recipients="it@example.com, cio@example.com").status_code == 303
    )
    assert house.store.notification_settings.get().recipients == ("it@example.com", "cio@example.com")
    assert "it@example.com, cio@example.com</textarea>" in visit.text("/notifications")


def test_the_language_of_mails_is_kept_and_shown(house: House, visit: Visit) -> None:
    assert '<option value="en" lang="en" selected>English' in visit.text("/notifications")
    assert visit.post("/notifications", part="language", language="nl").status_code == 303
    assert house.store.notification_settings.get().language is Language.DUTCH
    assert '<option value="nl" lang="nl" selected>Nederlands' in visit.text("/notifications")
    assert visit.post("/notifications", part="language", language="xx").status_code == 400


def test_what_was_told_is_listed_as_text(house: House, visit: Visit, job: Started) -> None:
    house.call("PATCH", f"/servicePrincipals/{job.sp}", {"displayName": HOSTILE})
    notice = Notice(
        id="n-1", kind=NoticeKind.DELETIONS_HELD, at=house.clock.at, service_principal_id=job.sp, job_id=job.id, count=3
    )
    house.store.outbox.notify(notice)
    wanted = [NewDelivery(id="d-1", channel=Channel.MAIL, recipient=HOSTILE)]
    house.store.outbox.address("n-1", wanted, house.clock.at)
    house.store.outbox.failed("d-1", HOSTILE, None)
    page = visit.text("/notifications")
    assert "Removals held" in page
    assert "Given up" in page
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page


def test_a_reader_sees_it_and_changes_nothing_and_others_see_nothing(tmp_path: Path) -> None:
    for name in ("reader", "user"):
        (tmp_path / name).mkdir()
    house = House(tmp_path / "reader")
    reader = Visit(house, Role.GLOBAL_READER)
    page = reader.text("/notifications")
    assert (len(re.findall("<fieldset disabled>", page)), "Send a test" in page) == (4, False)
    assert reader.post("/notifications", **MAIL).status_code == 403
    assert reader.post("/notifications/test", to="").status_code == 403
    assert house.store.notification_settings.get() == NotificationSettings()
    stranger = Visit(House(tmp_path / "user"), Role.USER_ADMINISTRATOR)
    assert stranger.get("/notifications").status_code == 403
    assert 'href="/notifications"' not in stranger.text("/")


def test_what_the_environment_holds_cannot_be_changed_here(tmp_path: Path) -> None:
    house = House(tmp_path, NotificationSettings(recipients=("ops@example.com",)))
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    assert "The environment of the service sets this" in visit.text("/notifications")
    assert visit.post("/notifications", part="recipients", recipients="it@example.com").status_code == 409
