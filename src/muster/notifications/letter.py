"""A notice in words: subject, what happened, the most frequent causes, what to do, and where to look."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from muster.model.counting import number_of
from muster.model.job import QuarantineReason
from muster.model.notice import Notice, NoticeKind

_REASONS = {
    QuarantineReason.QUARANTINE_EXCEPTION: "the application could not be worked with",
    QuarantineReason.ESCROW_PROPORTION_THRESHOLD: "too large a share of the changes failed",
    QuarantineReason.BASE_ESCROW_THRESHOLD: "too many objects failed",
    QuarantineReason.TOTAL_ESCROW_THRESHOLD: "too many objects and references failed",
    QuarantineReason.TOO_MANY_DELETES: "more accounts would be disabled or deleted than the threshold allows",
    QuarantineReason.INGESTION_INTERRUPTED: "the source could not be read",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notice in words. Texts hold one line each; links are pairs of a name and an address."""

    subject: str
    happened: str
    causes: tuple[str, ...]
    todo: tuple[str, ...]
    links: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The plain text."""
        parts = [self.happened]
        if self.causes:
            parts.append("Why:\n" + "\n".join(f"- {cause}" for cause in self.causes))
        parts.append("What to do:\n" + "\n".join(f"- {step}" for step in self.todo))
        parts.extend(f"{name}: {address}" for name, address in self.links)
        return "\n\n".join(parts) + "\n"

    @property
    def html(self) -> str:
        """The same as HTML; whatever came from outside is escaped."""
        pieces = [f"<p>{escape(self.happened)}</p>"]
        for title, lines in (("Why", self.causes), ("What to do", self.todo)):
            if lines:
                items = "".join(f"<li>{escape(line)}</li>" for line in lines)
                pieces.append(f"<h3>{title}</h3><ul>{items}</ul>")
        if self.links:
            links = " &middot; ".join(
                f'<a href="{escape(address, quote=True)}">{escape(name)}</a>' for name, address in self.links
            )
            pieces.append(f"<p>{links}</p>")
        body = "".join(pieces)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.subject)}</title></head>'
            f'<body style="font-family: sans-serif; line-height: 1.5; max-width: 42em">{body}</body></html>'
        )


def write_letter(notice: Notice, application: str, root: str | None) -> Letter:
    """Returns a notice in words.

    Args:
        application: its display name, as an administrator has typed it.
        root: the address of the portal, without a slash at its end; None: no links.
    """
    name = one_line(application) or "Muster"
    title, happened, todo = _WORDS[notice.kind](notice, name)
    return Letter(
        subject=one_line(f"[Muster] {title}")[:200],
        happened=one_line(happened),
        causes=tuple(one_line(cause) for cause in _causes(notice)),
        todo=tuple(one_line(step) for step in todo),
        links=_links(notice, root),
    )


def one_line(text: str) -> str:
    """Returns a text without line breaks and other control characters: what came from outside stays on its line."""
    plain = "".join(mark if mark.isprintable() else " " for mark in text)
    return " ".join(plain.split())


def _causes(notice: Notice) -> list[str]:
    if notice.causes:
        return [f"{cause.count:,} × {cause.code}: {cause.sentence} {cause.remedy}" for cause in notice.causes]
    return [] if notice.failure is None else [f"{notice.failure.code}: {notice.failure.sentence}"]


def _links(notice: Notice, root: str | None) -> tuple[tuple[str, str], ...]:
    if root is None:
        return ()
    if notice.service_principal_id is None:
        return (("Portal", f"{root}/"),)
    application = f"{root}/applications/{quote(notice.service_principal_id, safe='')}"
    return (("Application", application), ("Failures in the log", f"{application}/logs?status=failure"))


_Words = tuple[str, str, tuple[str, ...]]


def _quarantined(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: provisioning is in quarantine",
        (
            f"Provisioning to {name} was put into quarantine at {_at(notice.at)}, because {_reason(notice)} "
            f"({notice.reason})."
        ),
        (*_remedy(notice), _retry(notice)),
    )


def _changed(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: quarantine for another reason",
        (
            f"Provisioning to {name} has been in quarantine since {_at(notice.since)} and now stays there for another "
            f"reason: {_reason(notice)} ({notice.reason})."
        ),
        (*_remedy(notice), _retry(notice)),
    )


def _lifted(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: provisioning works again",
        (
            f"A cycle to {name} went well at {_at(notice.at)}: the quarantine that began at {_at(notice.since)} "
            "was lifted, and provisioning keeps its interval again."
        ),
        ("Nothing. Objects that failed meanwhile are tried again by themselves.",),
    )


def _held(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: {number_of(notice.count, 'removal is', 'removals are')} held",
        (
            f"At {_at(notice.at)} {number_of(notice.count, 'account')} would have been disabled or deleted at "
            f"{name}, more than the job's accidental-deletion threshold allows. Nothing was touched; "
            "everything else was provisioned."
        ),
        (
            (
                "Look at what is held, by cause, and approve what is right; reject the rest, or correct the scope, "
                "the assignments or the source, and restart provisioning."
            ),
            _retry(notice),
        ),
    )


def _awaited(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: {number_of(notice.count, 'operation waits', 'operations wait')} for approval",
        (
            f"A cycle at {_at(notice.at)} decided what is to be done at {name}. The job asks for approval: "
            f"{number_of(notice.count, 'operation waits', 'operations wait')} for it, and nothing of that was sent."
        ),
        ("Look at what is held, by cause, and approve or reject it.",),
    )


def _disabled(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: provisioning was disabled",
        (
            f"Provisioning to {name} has been in quarantine since {_at(notice.since)}, for more than four weeks. "
            f"The job was disabled at {_at(notice.at)}: nothing is provisioned any more, nobody is disabled either."
        ),
        (*_remedy(notice), "Then start provisioning again: it goes on where it stopped, nothing is lost."),
    )


def _no_progress(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: a cycle makes no progress",
        (
            f"The running cycle to {name} has not come further for {number_of(notice.count, 'minute')}, since "
            f"{_at(notice.since)}."
        ),
        (
            (
                "Look whether the application answers slowly or asks for a pause (HTTP 429), and at the service's log. "
                "The cycle goes on by itself as soon as it can."
            ),
        ),
    )


def _digest(notice: Notice, name: str) -> _Words:
    return (
        f"{name}: {number_of(notice.count, 'failure')} in a day",
        (
            f"Between {_at(notice.since)} and {_at(notice.at)}, {number_of(notice.count, 'attempt')} to provision an "
            f"object to {name} failed. Each is tried again by itself."
        ),
        ("Look at the failures in the log; each entry says what to do.",),
    )


def _expires(notice: Notice, _: str) -> _Words:
    days = f"{notice.count} day{'' if notice.count == 1 else 's'}"
    return (
        f"{notice.concerns} expires in {days}",
        f"{notice.concerns} ends at {_at(notice.next_attempt_at)}: from then on whoever uses it is refused.",
        (
            (
                "Make another one beside it: muster token create, muster client add-secret, the application's page "
                "Single sign-on, or the API."
            ),
            "Exchange it where it is used, then remove the old one.",
        ),
    )


def _test(notice: Notice, _: str) -> _Words:
    return (
        "Test of notifications",
        f"This is the test that was asked for at {_at(notice.at)}: notifications arrive here.",
        ("Nothing.",),
    )


_WORDS: dict[NoticeKind, Callable[[Notice, str], _Words]] = {
    NoticeKind.QUARANTINED: _quarantined,
    NoticeKind.QUARANTINE_CHANGED: _changed,
    NoticeKind.QUARANTINE_LIFTED: _lifted,
    NoticeKind.DELETIONS_HELD: _held,
    NoticeKind.APPROVAL_AWAITED: _awaited,
    NoticeKind.JOB_DISABLED: _disabled,
    NoticeKind.NO_PROGRESS: _no_progress,
    NoticeKind.FAILURES_DIGEST: _digest,
    NoticeKind.CREDENTIAL_EXPIRES: _expires,
    NoticeKind.TEST: _test,
}


def _reason(notice: Notice) -> str:
    known = {reason.value: words for reason, words in _REASONS.items()}
    return known.get(notice.reason or "", "of a failure")


def _remedy(notice: Notice) -> tuple[str, ...]:
    return () if notice.failure is None else (notice.failure.remedy,)


def _retry(notice: Notice) -> str:
    if notice.next_attempt_at is None:
        return "It is tried again by itself."
    return (
        f"It is tried again by itself at {_at(notice.next_attempt_at)}, and then less and less often; "
        "a cycle that goes well ends the quarantine. Restart provisioning to try at once."
    )


def _at(instant: datetime | None) -> str:
    return "an unknown time" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"
