"""Accounts that no job may disable or delete: by name, by group, by role; and deletions that wait out their grace."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.log import SkipReason
from muster.model.operation import Change, Link, Operation, OperationKind

_NAMES = ("userPrincipalName", "originalUserPrincipalName", "mail", "displayName", "objectId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protections:
    """Who is never disabled or deleted. Patterns may hold `*`; letter case does not count.

    `users` are names, mail addresses or ids; `groups` are groups of the directory, by name or id: their members, and
    they themselves, are protected; `roles` are app roles that somebody holds now.
    """

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.roles)

    def reason(self, change: Change, groups: Collection[tuple[str, str]]) -> str | None:
        """Returns why an object is protected, None if it is not. `groups` are ids and names of those it is in."""
        for pattern in self.users:
            if any(matches(pattern, str(change.attributes.get(name) or "")) for name in _NAMES):
                return f"{change.display_name} is protected by the pattern “{pattern}”"
        own = [(change.source_id, change.display_name)] if change.kind is ObjectKind.GROUP else []
        for pattern in self.groups:
            for group_id, name in (*groups, *own):
                if matches(pattern, name) or matches(pattern, group_id):
                    return f"{change.display_name} is protected by the group “{name}”"
        for pattern in self.roles:
            for grant in change.grants:
                if any(matches(pattern, name or "") for name in (grant.role_value, grant.role_display_name)):
                    return f"{change.display_name} is protected by the role “{grant.role_display_name}”"
        return None


def matches(pattern: str, text: str) -> bool:
    """Whether a text is as the pattern says: `*` stands for anything, letter case does not count."""
    first, *rest = pattern.casefold().split("*")
    text = text.casefold()
    if not text or not text.startswith(first):
        return False
    if not rest:
        return text == first
    place = len(first)
    *between, last = rest
    for part in between:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - len(last) >= place and text.endswith(last)


def protect(operation: Operation, link: Link | None, reason: str) -> Operation:
    """Returns the operation that leaves a protected account as it is."""
    return _left(operation, link, SkipReason.PROTECTED, f"{reason}, so nothing is taken from it. {operation.reason}")


def delay_deletion(
    deletion: Operation, instead: Operation | None, link: Link | None, *, since: datetime, grace: timedelta
) -> Operation:
    """Returns what is done while a deletion waits: the account is switched off, if it is on and can be.

    `instead` is what would be done if the object were only to be disabled; None where nothing can be switched off.
    """
    until = since + grace
    reason = f"{deletion.reason} It is deleted on {until:%Y-%m-%d %H:%M} UTC at the earliest, after the grace period."
    if instead is not None and instead.kind is OperationKind.DISABLE:
        owned = link.owned if link is not None else instead.owned
        kept = replace(instead, reason=reason, link_state=link.state if link is not None else owned, owned=owned)
    else:
        kept = _left(deletion, link, SkipReason.GRACE_PERIOD, reason)
    return replace(kept, change_id=deletion.change_id, cause=deletion.cause, waits_since=since, waits_until=until)


def _left(operation: Operation, link: Link | None, skip_reason: SkipReason, reason: str) -> Operation:
    return replace(
        operation,
        kind=OperationKind.SKIP,
        reason=reason,
        changes=(),
        link_state=link.state if link is not None else None,
        owned=link.owned if link is not None else None,
        skip_reason=skip_reason,
    )
