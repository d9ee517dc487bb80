"""Sentences that are made below the faces (refusals, reasons, remedies, steps of the log), in a language that is given.

They are written, stored and sent over the API in English. A catalogue of their own (`locale/nl.sentences.po`) holds
each with its translation; where code fills something in it holds the pattern, and what stands in its places stays as it
is, unless it is a sentence again. What fits none is shown in English. `make catalogue` gathers them from the code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import re2

from muster.model.language import Language
from muster.ui.translation import LOCALE, read_catalogue

SENTENCE_CHARACTERS = 2_000
_KEPT = 4_096
_PLACE = re.compile(r"%\((\w+)\)s")
# How many sentences stand within one another: a reason within a step within a refusal.
_DEPTH = 3
# What stands in these places is somebody's name, never a sentence.
_NAMES = frozenset(
    {
        "name",
        "display_name",
        "principal_display_name",
        "role_display_name",
        "source_name",
        "target_name",
        "group",
        "role",
        "target",
        "system",
    }
)

# Put together from parts by the code, so that they cannot be gathered from it.
COMPOSED: tuple[str, ...] = (
    "%(name)s does not pass the scoping filter: %(clause)s",
    # An activity of one word is no sentence.
    "Reconcile",
    "%(name)s was found at the target and linked; %(and)s",
    "%(name)s is managed again; %(and)s",
    "The mapping of %(attribute)s switches the account off: %(shown)s",
    "The mapping of %(attribute)s switches the account off by %(names)s: %(shown)s",
    "it would be switched on, and is kept out by now for another reason: %(reason)s",
    "came into scope",
    "permanently deleted from the directory",
    "deleted in the directory",
    "they hold only a role that is not provisioned",
    "sign-in is blocked in the directory",
    "not assigned to the application",
    "came into scope by the group %(group)s",
    "assigned to the application",
    "the assignment to the application was removed",
    "no longer in the group %(group)s",
    "the group %(group)s is no longer assigned to the application",
    "the group %(group)s was deleted",
    "the group %(group)s is no longer security-enabled",
    "members left the group %(group)s",
    "a cycle is taken back",
    "the SCIM client %(name)s asked for it",
    "%(name)s is to be deleted: the SCIM client %(client)s asks for it.",
    "%(name)s is to be disabled: the SCIM client %(client)s asks for it.",
    "released",
    "the scoping filter keeps them out: %(clause)s",
    "This cycle would disable or delete %(count)s (%(share)s); the job's threshold is %(limit)s.",
    "The job asks for approval of every removal.",
    "The job asks for approval of everything that it writes.",
    "%(name)s is protected by the pattern “%(pattern)s”",
    "%(name)s is protected by the group “%(group)s”",
    "%(name)s is protected by the role “%(role)s”",
    "Failed to %(verb)s %(kind)s '%(name)s' in %(system)s: %(reason)s",
    "%(kind)s '%(name)s' was created in %(system)s.",
    "%(kind)s '%(name)s' was updated in %(system)s.",
    "%(kind)s '%(name)s' was disabled in %(system)s.",
    "%(kind)s '%(name)s' was deleted in %(system)s.",
    "The application refuses creating %(what)s",
    "The application does not accept the %(credential)s: %(said)s",
    "%(address)s cannot be reached: %(reason)s",
    "%(address)s cannot be called: %(reason)s",
    "%(address)s is not called: %(reason)s",
    "“%(name)s” takes up to %(limit)s characters.",
    "“%(name)s” is one of %(choices)s.",
    "%(kind)s '%(name)s' will be created in %(system)s.",
    "%(kind)s '%(name)s' will be updated in %(system)s.",
    "%(kind)s '%(name)s' will be disabled in %(system)s.",
    "%(kind)s '%(name)s' will be deleted in %(system)s.",
    "%(kind)s '%(name)s' will get its references in %(system)s.",
    "%(kind)s '%(name)s' got its references in %(system)s.",
    "as a member of %(group)s",
    "directly",
    "Active in the source system",
    "Assigned to the application",
    "User has the required role",
    "Scoping filter evaluation passed",
    "SkipReason",
    "ReportableIdentifier",
    "groups that came into scope",
    "%(attributes)s changed",
    "%(attributes)s and %(count)s more changed",
    "Update",
    "Disable",
    "Delete",
    "User",
    "Group",
    "add",
    "update",
    "disable",
    "delete",
    "a user (HTTP %(status)s): %(said)s",
    "a user (HTTP %(status)s, %(type)s): %(said)s",
    "a user (HTTP %(status)s).",
    "a user (HTTP %(status)s, %(type)s).",
    "a group (HTTP %(status)s): %(said)s",
    "a group (HTTP %(status)s, %(type)s): %(said)s",
    "a group (HTTP %(status)s).",
    "a group (HTTP %(status)s, %(type)s).",
    "The application refuses changing %(what)s",
    "The application refuses deleting %(what)s",
    "The application refuses reading %(what)s",
    "The application refuses listing %(what)s",
    "The application refuses the query for %(what)s",
    "The application does not allow %(verb)s %(what)s",
    "creating",
    "changing",
    "deleting",
    "reading",
    "listing",
    "the query for",
    "sending",
    "The application refuses this %(credential)s access to %(what)s",
    "The application no longer has %(what)s",
    "Nothing answers at %(address)s to %(what)s",
    "The application has another object with the same values as %(what)s",
    "The application has a problem of its own with %(what)s",
    "The application refuses %(what)s",
    "The application has no licence left for %(what)s",
    "The application gave up waiting for %(what)s",
    "No answer came to %(verb)s %(what)s: %(reason)s",
    "No answer came about %(what)s: %(reason)s",
    "The answer about %(what)s is too long: %(reason)s",
    "%(address)s does not answer like a SCIM service. %(reason)s",
    "Secret Token",
    "an identity provider",
    "a service provider",
    "%(count)s user",
    "%(count)s users",
    "%(count)s group",
    "%(count)s groups",
    "%(count)s object",
    "%(count)s objects",
    "%(count)s removal",
    "%(count)s removal is held: more than the job's thresholds allow.",
    "%(count)s removals are held: more than the job's thresholds allow.",
    "%(count)s removal is held: the source could not be read whole.",
    "%(count)s removals are held: the source could not be read whole.",
    "%(count)s because: %(reason)s.",
    "Quarantine",
    "%(what)s “%(name)s” does not exist.",
    "%(count)s removals",
    "Another user, %(name)s (%(id)s), has the userPrincipalName %(value)s.",
    "Another user, %(name)s (%(id)s) in the recycle bin, has the userPrincipalName %(value)s.",
    "Restore that user or delete it for good.",
    (
        "Choose another userPrincipalName; if that user has just left, delete it for good. People who exchange theirs "
        "do so in one read, file or upload."
    ),
    "Creates, updates and deactivates users in %(name)s, and keeps groups with their members.",
    "Creates, updates and deletes users in %(name)s, and keeps groups with their members.",
    "Creates and updates users in %(name)s, and keeps groups with their members.",
    "Creates, updates and deactivates users in %(name)s.",
    "Creates, updates and removes users in %(name)s.",
    "Creates, updates and deletes users in %(name)s.",
    "Creates and updates users in %(name)s.",
    (
        "%(name)s is provisioned over an interface of its own, which this product does not speak: "
        "it is listed for sign-on and assignments only."
    ),
    "Global Administrator",
    "Application Administrator",
    "Cloud Application Administrator",
    "Hybrid Identity Administrator",
    "User Administrator",
    "Global Reader",
    "Security Administrator",
    "Security Operator",
    "Security Reader",
    "Reports Reader",
    "User, administrator, API token or service principal",
    "Line %(line)s",
    "Line %(line)s, column %(column)s (%(attribute)s)",
    "Line %(line)s, column %(column)s (%(attribute)s):",
    ", column %(column)s (%(attribute)s): %(why)s.",
    "must be written alias@domain, without blanks and with at most %(limit)s characters, not %(quoted)s",
    "takes one text, not %(quoted)s",
    "takes a list",
    "takes a list of ids or principal names",
    "takes an id or a principal name",
    "takes true or false (or 1, 0, yes, no, ja, nee), not %(quoted)s",
    "takes an instant such as 2026-01-31T00:00:00Z, not %(quoted)s",
    "takes at most %(limit)s characters",
    "has more than %(limit)s values",
    "has more than %(limit)s members",
    "has %(count)s characters; %(limit)s are the limit",
    "holds bytes that are not valid in the file's encoding; save the file as UTF-8",
    "holds a control character",
    "%(attribute)s has no value, and nobody is without one",
    "has no value, and nobody is without one",
    "a quotation mark stands inside a value or is not closed",
    "an import removes no user",
    "an import removes no group",
    "Line %(line)s, column %(column)s: %(why)s. The row is not read.",
    "Line %(line)s, column %(column)s (%(attribute)s): %(why)s. The row is not read.",
    "Line %(line)s ends after column %(column)s: %(why)s. The row is not read.",
    "Line %(line)s (%(dn)s): %(why)s. The row is not read.",
    "%(list)s[%(index)s] (line %(line)s): %(why)s. The row is not read.",
    "%(list)s[%(index)s] (line %(line)s): %(attribute)s",
    "Line %(line)s: %(quoted)s is no attribute: value. The entry is not read.",
    "Line %(line)s: %(quoted)s is too long. The entry is not read.",
    "%(mark)s is expected",
    "Line %(line)s, column %(column)s",
    ", column %(column)s (%(attribute)s)",
    ", column %(column)s (%(attribute)s):",
    "%(list)s[%(index)s] (line %(line)s)",
    "%(list)s[%(index)s] (line %(line)s): %(why)s.",
    "it has %(count)s value and the header %(expected)s columns",
    "it has %(count)s values and the header %(expected)s columns",
    "it has %(count)s values and the header %(expected)s column",
    "%(name)s is no attribute of a user.",
    "%(name)s is no attribute of a group.",
    "%(name)s is no attribute of a user. Did you mean %(near)s?",
    "%(name)s is no attribute of a group. Did you mean %(near)s?",
    "an object is expected, not %(quoted)s",
    "%(name)s stands in it twice",
    "it has %(count)s attributes; %(limit)s are the limit",
    "it nests deeper than %(limit)s levels",
    "%(key)s must be a list",
    "a comma or %(mark)s is expected",
    "nothing is expected after the end",
    "an object with users and groups is expected",
    "a name in quotation marks is expected",
    "The file holds no entry: each begins with a line dn: …",
    "%(attribute)s must be written alias@domain, without blanks and with at most %(limit)s characters, not %(quoted)s",
    "%(attribute)s takes one text, not %(quoted)s",
    "%(attribute)s takes a list",
    "%(attribute)s takes a list of ids or principal names",
    "%(attribute)s takes an id or a principal name",
    "%(attribute)s takes true or false (or 1, 0, yes, no, ja, nee), not %(quoted)s",
    "%(attribute)s takes an instant such as 2026-01-31T00:00:00Z, not %(quoted)s",
    "%(attribute)s has more than %(limit)s values",
    "%(attribute)s has more than %(limit)s members",
    "%(attribute)s has %(count)s characters; %(limit)s are the limit",
    "%(attribute)s holds bytes that are not valid in the file's encoding; save the file as UTF-8",
    "%(attribute)s holds a control character",
    "Application Owner",
    "Default Access",
    "Reference",
    "Integer",
    "DateTime",
    "Binary",
    "String",
    "Boolean",
    "Immutable",
    "The API token “%(name)s”",
    "The secret %(hint)s… of the app registration “%(display_name)s”",
    "The signing certificate %(thumbprint)s… of “%(display_name)s”",
    "essential",
    "important",
    "formal",
    "PATCH failed, PUT worked",
    "ServiceProviderConfig: patch is not supported",
    "lists or their pages do not work",
    "filters on %(names)s failed",
    "active could not be set to false",
    "the user schema has no active",
    "the rate limit",
    "the number of licences",
    "none",
    "managed",
    "adopted",
    "seen",
    "Non-gallery",
    "success",
    "failure",
    "Application",
    "ServicePrincipal",
    "SynchronizationJob",
    "ApiToken",
    "File",
    "Installation",
    "Policy",
    "Administrator",
    "Other",
    "Role",
    "Deleted user",
    "Deleted group",
    "Audit entry",
    "Log entry",
    "Service principal",
    "ReadOnly",
    "WriteOnly",
    "ReadWrite",
    "a password has at most %(characters)s characters",
)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A sentence with places: what it must contain, how it is read, and what is said instead."""

    piece: str
    fits: Any
    said: str


def told_in(spoken: Language, sentence: str) -> str:
    """Returns a sentence in a language; one that is made of several in a row, each for itself."""
    if spoken is Language.ENGLISH or not sentence or len(sentence) > SENTENCE_CHARACTERS:
        return sentence
    return _told(spoken, str(sentence), _DEPTH)


@lru_cache(maxsize=_KEPT)
def _told(spoken: Language, sentence: str, depth: int) -> str:
    whole, patterns = _catalogue(spoken)
    if sentence in whole:
        return whole[sentence]
    doubtful = ""
    for pattern in patterns:
        if pattern.piece in sentence and (found := pattern.fits.fullmatch(sentence)) is not None:
            taken = found.groupdict()
            if depth and any(". " in value for value in taken.values()):
                # A sentence that is known as it stands was taken for the end of a reason before it.
                for first, rest in _ends(sentence):
                    if rest in whole:
                        return f"{_told(spoken, first, depth - 1)} {whole[rest]}"
            places = {
                name: _told(spoken, value, depth - 1) if depth and name not in _NAMES else value
                for name, value in taken.items()
            }
            if not any(". " in value for name, value in places.items() if name in _NAMES):
                return pattern.said % places
            # A name such as “St. John”, or a whole sentence before this one that was taken for a part of the name.
            doubtful = doubtful or pattern.said % places
    # Several sentences in a row: the first that is known ends at one of the stops.
    stop = sentence.find(". ")
    while stop > 0 and depth:
        first, rest = sentence[: stop + 1], sentence[stop + 2 :]
        if (shown := _told(spoken, first, 0)) != first:
            return f"{shown if depth == 1 else _told(spoken, first, depth - 1)} {_told(spoken, rest, depth - 1)}"
        stop = sentence.find(". ", stop + 1)
    if not doubtful and depth:
        # What comes first is somebody else's words, such as a target's detail: what follows it may be known.
        for first, rest in _ends(sentence):
            if (shown := _told(spoken, rest, 0)) != rest:
                return f"{_told(spoken, first, depth - 1)} {shown}"
    return doubtful or sentence


def _ends(sentence: str) -> Iterator[tuple[str, str]]:
    """Splits before the last sentence, before the last two, and so on."""
    stop = sentence.rfind(". ")
    while stop > 0:
        yield sentence[: stop + 1], sentence[stop + 2 :]
        stop = sentence.rfind(". ", 0, stop)


@cache
def _catalogue(spoken: Language) -> tuple[dict[str, str], tuple[_Pattern, ...]]:
    """Whole sentences by their text, and patterns, the longest text first: a particular one fits before a general one.

    Patterns are read in linear time, whatever stands in their places: names are anybody's.
    """
    texts = read_catalogue(LOCALE / f"{spoken.value}.sentences.po").texts
    whole = {text: said for text, said in texts.items() if text and "%(" not in text}
    patterned = [(text, said) for text, said in texts.items() if "%(" in text]
    patterned.sort(key=lambda each: -len(_PLACE.sub("", each[0])))
    return whole, tuple(_compiled(text, said) for text, said in patterned)


def _compiled(text: str, said: str) -> _Pattern:
    parts = _PLACE.split(text)
    pieces = [part.replace("%%", "%") for part in parts[::2]]
    fits = "".join(
        f"(?P<{part}>.+?)" if number % 2 else re.escape(part.replace("%%", "%")) for number, part in enumerate(parts)
    )
    return _Pattern(piece=max(pieces, key=len), fits=re2.compile(f"(?s){fits}"), said=said)
