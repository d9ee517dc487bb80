"""A notice in words, in the language of the installation: subject, what happened, the most frequent causes, what to do,
and where to look."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from muster.model.job import QuarantineReason
from muster.model.language import Language
from muster.model.notice import Notice, NoticeKind
from muster.ui.marks import marked
from muster.ui.sentences import told_in
from muster.ui.translation import Speech

_REASONS = {
    QuarantineReason.QUARANTINE_EXCEPTION: marked("the application could not be worked with"),
    QuarantineReason.ESCROW_PROPORTION_THRESHOLD: marked("too large a share of the changes failed"),
    QuarantineReason.BASE_ESCROW_THRESHOLD: marked("too many objects failed"),
    QuarantineReason.TOTAL_ESCROW_THRESHOLD: marked("too many objects and references failed"),
    QuarantineReason.TOO_MANY_DELETES: marked("more accounts would be disabled or deleted than the threshold allows"),
    QuarantineReason.INGESTION_INTERRUPTED: marked("the source could not be read"),
}
_UNKNOWN = marked("there was a failure")
_OF_HELD = (NoticeKind.DELETIONS_HELD, NoticeKind.APPROVAL_AWAITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notice in words. Texts hold one line each; links are pairs of a name and an address."""

    language: Language
    subject: str
    happened: str
    causes: tuple[str, ...]
    todo: tuple[str, ...]
    links: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The plain text."""
        parts = [self.happened]
        for title, lines in self._parts():
            parts.append(f"{title}:\n" + "\n".join(f"- {line}" for line in lines))
        parts.extend(f"{name}: {address}" for name, address in self.links)
        return "\n\n".join(parts) + "\n"

    @property
    def html(self) -> str:
        """The same as HTML; whatever came from outside is escaped."""
        pieces = [f"<p>{escape(self.happened)}</p>"]
        for title, lines in self._parts():
            items = "".join(f"<li>{escape(line)}</li>" for line in lines)
            pieces.append(f"<h3>{escape(title)}</h3><ul>{items}</ul>")
        if self.links:
            links = " &middot; ".join(
                f'<a href="{escape(address, quote=True)}">{escape(name)}</a>' for name, address in self.links
            )
            pieces.append(f"<p>{links}</p>")
        body = "".join(pieces)
        return (
            f'<!doctype html><html lang="{self.language}"><head><meta charset="utf-8">'
            f"<title>{escape(self.subject)}</title></head>"
            f'<body style="font-family: sans-serif; line-height: 1.5; max-width: 42em">{body}</body></html>'
        )

    def _parts(self) -> list[tuple[str, tuple[str, ...]]]:
        say = Speech(self.language)
        parts = ((say.gettext("Why"), self.causes), (say.gettext("What to do"), self.todo))
        return [(title, lines) for title, lines in parts if lines]


def write_letter(notice: Notice, application: str, root: str | None, language: Language = Language.ENGLISH) -> Letter:
    """Returns a notice in words.

    Args:
        application: its display name, as an administrator has typed it.
        root: the address of the portal, without a slash at its end; None: no links.
    """
    say = Speech(language)
    name = one_line(application) or "Muster"
    title, happened, todo = _WORDS[notice.kind](notice, name, say)
    return Letter(
        language=language,
        subject=one_line(f"[Muster] {title}")[:200],
        happened=one_line(happened),
        causes=tuple(one_line(cause) for cause in _causes(notice, say)),
        todo=tuple(one_line(step) for step in todo),
        links=_links(notice, root, say),
    )


def one_line(text: str) -> str:
    """Returns a text without line breaks and other control characters: what came from outside stays on its line."""
    plain = "".join(mark if mark.isprintable() else " " for mark in text)
    return " ".join(plain.split())


def _causes(notice: Notice, say: Speech) -> list[str]:
    def told(sentence: str) -> str:
        return told_in(say.language, sentence)

    if notice.causes:
        return [
            f"{say.number(cause.count)} × {cause.code}: {told(cause.sentence)} {told(cause.remedy)}"
            for cause in notice.causes
        ]
    return [] if notice.failure is None else [f"{notice.failure.code}: {told(notice.failure.sentence)}"]


def _links(notice: Notice, root: str | None, say: Speech) -> tuple[tuple[str, str], ...]:
    if root is None:
        return ()
    if notice.service_principal_id is None:
        return ((say.gettext("Portal"), f"{root}/"),)
    application = f"{root}/applications/{quote(notice.service_principal_id, safe='')}"
    if notice.kind in _OF_HELD or notice.reason == QuarantineReason.TOO_MANY_DELETES:
        # No failure: what waits for a decision is found where it is decided.
        further = say.gettext("Held"), f"{application}/held"
    else:
        further = say.gettext("Failures in the log"), f"{application}/logs?status=failure"
    return (say.gettext("Application"), application), further


_Words = tuple[str, str, tuple[str, ...]]


def _quarantined(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.gettext("%(name)s: provisioning is in quarantine", name=name),
        say.gettext(
            "Provisioning to %(name)s was put into quarantine at %(at)s, because %(reason)s (%(code)s).",
            name=name,
            at=_at(notice.at, say),
            reason=_reason(notice, say),
            code=notice.reason,
        ),
        (*_remedy(notice, say), _retry(notice, say)),
    )


def _changed(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.gettext("%(name)s: quarantine for another reason", name=name),
        say.gettext(
            "Provisioning to %(name)s has been in quarantine since %(since)s and now stays there for another reason: "
            "%(reason)s (%(code)s).",
            name=name,
            since=_at(notice.since, say),
            reason=_reason(notice, say),
            code=notice.reason,
        ),
        (*_remedy(notice, say), _retry(notice, say)),
    )


def _lifted(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.gettext("%(name)s: provisioning works again", name=name),
        say.gettext(
            "A cycle to %(name)s went well at %(at)s: the quarantine that began at %(since)s was lifted, and "
            "provisioning keeps its interval again.",
            name=name,
            at=_at(notice.at, say),
            since=_at(notice.since, say),
        ),
        (say.gettext("Nothing. Objects that failed meanwhile are tried again by themselves."),),
    )


def _held(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.ngettext(
            "%(name)s: %(num)s removal is held", "%(name)s: %(num)s removals are held", notice.count, name=name
        ),
        say.ngettext(
            "At %(at)s %(num)s account would have been disabled or deleted at %(name)s, more than the job's "
            "accidental-deletion threshold allows. Nothing was touched; everything else was provisioned.",
            "At %(at)s %(num)s accounts would have been disabled or deleted at %(name)s, more than the job's "
            "accidental-deletion threshold allows. Nothing was touched; everything else was provisioned.",
            notice.count,
            at=_at(notice.at, say),
            name=name,
        ),
        (
            say.gettext(
                "Look at what is held, by cause, and approve what is right; reject the rest, or correct the scope, "
                "the assignments or the source, and restart provisioning."
            ),
            _retry(notice, say),
        ),
    )


def _awaited(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.ngettext(
            "%(name)s: %(num)s operation waits for approval",
            "%(name)s: %(num)s operations wait for approval",
            notice.count,
            name=name,
        ),
        say.ngettext(
            "A cycle at %(at)s decided what is to be done at %(name)s. The job asks for approval: %(num)s operation "
            "waits for it, and nothing of that was sent.",
            "A cycle at %(at)s decided what is to be done at %(name)s. The job asks for approval: %(num)s operations "
            "wait for it, and nothing of that was sent.",
            notice.count,
            at=_at(notice.at, say),
            name=name,
        ),
        (say.gettext("Look at what is held, by cause, and approve or reject it."),),
    )


def _disabled(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.gettext("%(name)s: provisioning was disabled", name=name),
        say.gettext(
            "Provisioning to %(name)s has been in quarantine since %(since)s, for more than four weeks. The job was "
            "disabled at %(at)s: nothing is provisioned any more, nobody is disabled either.",
            name=name,
            since=_at(notice.since, say),
            at=_at(notice.at, say),
        ),
        (
            *_remedy(notice, say),
            say.gettext("Then start provisioning again: it goes on where it stopped, nothing is lost."),
        ),
    )


def _no_progress(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.gettext("%(name)s: a cycle makes no progress", name=name),
        say.ngettext(
            "The running cycle to %(name)s has not come further for %(num)s minute, since %(since)s.",
            "The running cycle to %(name)s has not come further for %(num)s minutes, since %(since)s.",
            notice.count,
            name=name,
            since=_at(notice.since, say),
        ),
        (
            say.gettext(
                "Look whether the application answers slowly or asks for a pause (HTTP 429), and at the service's log. "
                "The cycle goes on by itself as soon as it can."
            ),
        ),
    )


def _digest(notice: Notice, name: str, say: Speech) -> _Words:
    return (
        say.ngettext(
            "%(name)s: %(num)s failure in a day", "%(name)s: %(num)s failures in a day", notice.count, name=name
        ),
        say.ngettext(
            "Between %(since)s and %(at)s, %(num)s attempt to provision an object to %(name)s failed. Each is tried "
            "again by itself.",
            "Between %(since)s and %(at)s, %(num)s attempts to provision an object to %(name)s failed. Each is tried "
            "again by itself.",
            notice.count,
            since=_at(notice.since, say),
            at=_at(notice.at, say),
            name=name,
        ),
        (say.gettext("Look at the failures in the log; each entry says what to do."),),
    )


def _expires(notice: Notice, _: str, say: Speech) -> _Words:
    concerns = told_in(say.language, notice.concerns or "")
    return (
        say.ngettext(
            "%(what)s expires in %(num)s day", "%(what)s expires in %(num)s days", notice.count, what=concerns
        ),
        say.gettext(
            "%(what)s ends at %(at)s: from then on whoever uses it is refused.",
            what=concerns,
            at=_at(notice.next_attempt_at, say),
        ),
        (
            say.gettext(
                "Make another one beside it: muster token create, muster client add-secret, the application's page "
                "Single sign-on, or the API."
            ),
            say.gettext("Exchange it where it is used, then remove the old one."),
        ),
    )


def _test(notice: Notice, _: str, say: Speech) -> _Words:
    return (
        say.gettext("Test of notifications"),
        say.gettext(
            "This is the test that was asked for at %(at)s: notifications arrive here.", at=_at(notice.at, say)
        ),
        (say.gettext("Nothing."),),
    )


_WORDS: dict[NoticeKind, Callable[[Notice, str, Speech], _Words]] = {
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


def _reason(notice: Notice, say: Speech) -> str:
    known = {reason.value: words for reason, words in _REASONS.items()}
    return say.gettext(known.get(notice.reason or "", _UNKNOWN))


def _remedy(notice: Notice, say: Speech) -> tuple[str, ...]:
    return () if notice.failure is None else (told_in(say.language, notice.failure.remedy),)


def _retry(notice: Notice, say: Speech) -> str:
    if notice.next_attempt_at is None:
        return say.gettext("It is tried again by itself.")
    return say.gettext(
        "It is tried again by itself at %(at)s, and then less and less often; a cycle that goes well ends the "
        "quarantine. Restart provisioning to try at once.",
        at=_at(notice.next_attempt_at, say),
    )


def _at(instant: datetime | None, say: Speech) -> str:
    return say.gettext("an unknown time") if instant is None else say.instant(instant)
