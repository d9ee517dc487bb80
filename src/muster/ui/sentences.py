"""Sentences that are made below the faces (refusals, reasons, remedies, steps of the log), in the reader's language.

They are written, stored and sent over the API in English. A page shows them by the pattern that they were made from: a
pattern is a text of the catalogue like any other, and what stands in its places stays as it is. What fits none is shown
in English.
"""

import re
from functools import cache
from typing import Any

import re2

from muster.ui.language import Language, gettext, language, marked

SENTENCE_CHARACTERS = 2_000
_PLACE = re.compile(r"%\((\w+)\)s")
# How many sentences stand within one another: a reason within a step within a refusal.
_DEPTH = 3

PATTERNS = (
    # Why somebody is in or out.
    marked("%(name)s is active and assigned %(way)s with the role %(role)s."),
    marked("%(name)s is active, and all users and groups are in scope."),
    marked("%(name)s is in the source system."),
    marked("%(name)s was permanently deleted from the directory."),
    marked("%(name)s is deleted in the directory and can be restored for 30 days."),
    marked("%(name)s is not assigned to the application, directly or as a direct member of an assigned group."),
    marked(
        "%(name)s holds only the role Default Access, which this application does not provision: assign another role."
    ),
    marked("Sign-in of %(name)s is blocked in the directory."),
    marked("%(name)s does not pass the scoping filter: %(clause)s"),
    # What is done, and why not.
    marked("The state of the object in both the source and target systems already match."),
    marked("%(reason)s The account stays as it is: SkipOutOfScopeDeletions is on."),
    marked("%(reason)s No account is linked."),
    marked("%(reason)s This job never removes anybody."),
    marked("%(name)s cannot be created: no value for the required %(missing)s."),
    marked("%(name)s has no value for a matching attribute, so nobody can tell whether the account is there."),
    # What brought it about.
    marked("came into scope"),
    marked("permanently deleted from the directory"),
    marked("deleted in the directory"),
    marked("they hold only a role that is not provisioned"),
    marked("sign-in is blocked in the directory"),
    marked("no longer assigned to the application"),
    marked("came into scope by the group %(group)s"),
    marked("assigned to the application"),
    marked("the scoping filter keeps them out: %(clause)s"),
    # What the safeguards say.
    marked("This cycle would disable or delete %(count)s; the job's accidental-deletion threshold is %(limit)s."),
    marked("This cycle would disable or delete %(count)s (%(share)s); the job's threshold is %(limit)s."),
    marked("The source could not be read whole; nobody is removed."),
    marked("The job asks for approval of every removal."),
    marked("The job asks for approval of everything that it writes."),
    marked("%(name)s is protected by the pattern “%(pattern)s”"),
    marked("%(name)s is protected by the group “%(group)s”"),
    marked("%(name)s is protected by the role “%(role)s”"),
    # Steps of the log.
    marked("Received %(kind)s '%(name)s' change of type (%(change)s) from %(source)s."),
    marked("%(kind)s '%(name)s' is linked to %(target)s in %(system)s."),
    marked("%(kind)s '%(name)s' was found in %(system)s by %(attribute)s as %(target)s."),
    marked("No %(kind)s was found in %(system)s with %(asked)s."),
    marked("Failed to %(verb)s %(kind)s '%(name)s' in %(system)s: %(reason)s"),
    marked("%(kind)s '%(name)s' was created in %(system)s."),
    marked("%(kind)s '%(name)s' was updated in %(system)s."),
    marked("%(kind)s '%(name)s' was disabled in %(system)s."),
    marked("%(kind)s '%(name)s' was deleted in %(system)s."),
    # What an application answers.
    marked("The application refuses creating %(what)s"),
    marked("The application refuses updating %(what)s"),
    marked("The application does not accept the %(credential)s: %(said)s"),
    marked("%(address)s cannot be reached: %(reason)s"),
    marked("%(address)s cannot be called: %(reason)s"),
    marked("%(address)s is not called: %(reason)s"),
    # What to do.
    marked("Nothing to do: it is tried again in the next cycle. If it lasts, ask the application's support."),
    marked("Correct the value in the directory or the attribute mapping; the next cycle tries again."),
    marked("Check at the application whether its administrator token may do this, or switch the object action off."),
    marked("Free the value at the application, or match on the attribute that clashes so that the account is adopted."),
    marked("Remove or correct the duplicates at the application, or match on an attribute that is unique there."),
    marked("Nothing to do: it is set as soon as the other object is provisioned."),
    marked("Nothing to do: the object is matched or created again in the next cycle."),
    marked("Fill the source attribute of this person, or give the mapping a default value."),
    marked("Two jobs write to the same account: narrow the scope of one of them, or delete its object connection."),
    marked(
        "Check the Tenant URL and that the application is up and can be reached from here; then press Test Connection."
    ),
    marked(
        "Look at the certificate that is presented, compare its fingerprint with what the application's owner says, "
        "and put the authority's certificate into the trusted certificates of the credentials."
    ),
    marked(
        "Ask the application's owner to renew or correct its certificate; also check the Tenant URL and this clock."
    ),
    marked(
        "Enter a client certificate and its key in the credentials, of an authority that the application's owner "
        "accepts."
    ),
    marked("Correct the mapping or filter that is named, or restore the default mappings."),
    marked("Look at the held operations: approve them, or correct the scope or the source and restart."),
    marked("Look at the service's log for the traceback and report it."),
    # Refusals.
    marked(
        "Insufficient privileges to complete the operation: it needs %(permission)s, which these roles have: %(roles)s."
    ),
    marked("%(what)s “%(name)s” does not exist, or one of its queried reference-property objects is not present."),
    marked("There is no Tenant URL yet: enter it and the secret token."),
    marked("The Tenant URL leads to another server: enter the secret token again."),
    marked("The job has no credentials: enter the Tenant URL and the secret token and test the connection first."),
    marked("The job is not started: start provisioning, then apply the plan."),
    marked("The cycle is running: wait for its end, or pause the job."),
    marked("%(target)s has a mapping already: edit that one."),
    marked("%(target)s is required by the application: its mapping can be changed, not removed."),
    marked("%(target)s is the last matching attribute: make another one match first."),
    marked("A scoping filter needs a title."),
    marked("“%(name)s” takes up to %(limit)s characters."),
    marked("“%(name)s” is one of %(choices)s."),
    marked("Other rules are being tried just now: try again in a moment."),
    marked("A cycle of this job is running: wait for its end, or pause the job, and promote then."),
    marked("App role “%(name)s” is still assigned %(count)s: unassign it first."),
    marked("There is no mail server yet: set one with muster notifications set, or MUSTER_SMTP_HOST."),
    marked("Another mail server or user needs its password entered."),
    marked("“%(address)s” is no mail address, such as it@example.com."),
)


def told(sentence: str) -> str:
    """Returns a sentence in the reader's language; one that is made of several in a row, each for itself."""
    if language() is Language.ENGLISH or not sentence or len(sentence) > SENTENCE_CHARACTERS:
        return sentence
    return _told(sentence, _DEPTH)


def _told(sentence: str, depth: int) -> str:
    for pattern, fits in _compiled():
        found = fits.fullmatch(sentence)
        if found is not None:
            # What stands in a place may be a sentence again.
            places = {name: _told(value, depth - 1) if depth else value for name, value in found.groupdict().items()}
            return gettext(pattern, **places)
    first, stop, rest = sentence.partition(". ")
    if stop and depth:
        return f"{_told(f'{first}.', depth - 1)} {_told(rest, depth - 1)}"
    return sentence


@cache
def _compiled() -> tuple[tuple[str, Any], ...]:
    """The patterns that are read, the longest text first: the most particular one fits before a general one.

    In linear time, whatever stands in their places: names are anybody's.
    """
    longest = sorted(PATTERNS, key=lambda pattern: -len(_PLACE.sub("", pattern)))
    return tuple((pattern, re2.compile(_regex(pattern))) for pattern in longest)


def _regex(pattern: str) -> str:
    parts = _PLACE.split(pattern)
    return "(?s)" + "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
