"""Probes that write, on a user and a group of their own, which are removed again. They run in order."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from muster.scim.mapping_paths import get_member, parse_mapping_path, read_value
from muster.targets.conformance.findings import Finding, Probe, Weight, failed, judged, skipped
from muster.targets.conformance.session import CORE_GROUP, CORE_USER, ENTERPRISE_USER, Reply, Session

_PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_NO_USER = "The trial user could not be created."
_NO_GROUP = "The trial group could not be created."


class Trial:
    """The user and the group that the probes of one examination write to."""

    def __init__(self, session: Session, extra: Mapping[str, Any]) -> None:
        """`extra` are attributes that this server asks of every user, such as an existing site."""
        self.session = session
        # Not the session's mark: that is what nobody is found by.
        self.mark = session.mark[::-1]
        self.name = f"muster-check-{self.mark}@example.com"
        self.extra = extra
        self.user_id: str | None = None
        # Accounts that the server keeps after they were deleted.
        self.left: list[str] = []
        self.group_id: str | None = None

    @property
    def user(self) -> str:
        """The trial user's path."""
        return f"/Users/{quote(self.user_id or '', safe='')}"

    @property
    def group(self) -> str:
        """The trial group's path."""
        return f"/Groups/{quote(self.group_id or '', safe='')}"

    def body(self) -> dict[str, Any]:
        """The trial user as an identity provider sends one."""
        return {
            "schemas": [CORE_USER, ENTERPRISE_USER],
            "userName": self.name,
            "externalId": self.mark,
            "active": True,
            "displayName": "Muster Check",
            "name": {"givenName": "Muster", "familyName": "Check"},
            "emails": [{"type": "work", "primary": True, "value": self.name}],
            "title": "Trial",
            ENTERPRISE_USER: {"department": "Trials"},
            **self.extra,
        }

    def patch(self, *operations: Mapping[str, Any], path: str | None = None) -> Reply:
        """Returns the answer to a PATCH of the trial user, or of what is at a path."""
        body = {"schemas": [_PATCH_URN], "Operations": list(operations)}
        return self.session.send("PATCH", path or self.user, body)

    def read(self, name: str, path: str | None = None) -> Any:
        """Returns an attribute of the trial user as the server shows it now."""
        answer = self.session.send("GET", path or self.user)
        return read_value(answer.document or {}, parse_mapping_path(name))

    def clear(self) -> None:
        """Removes what is left of the trial."""
        if self.group_id is not None:
            self.session.send("DELETE", self.group)
        if self.user_id is not None:
            self.session.send("DELETE", self.user)


# ---------------------------------------------------------------- users


def _creates(trial: Trial) -> Finding:
    answer = trial.session.send("POST", "/Users", trial.body())
    found = get_member(answer.document or {}, "id")
    if 200 <= answer.status < 300 and found not in (None, ""):
        trial.user_id = str(found)
        return judged(answer.status == 201, answer.shown())
    return failed(f"{answer.shown()}: {get_member(answer.document or {}, 'detail') or 'no reason given'}")


def _locates(trial: Trial) -> Finding:
    answer = trial.session.send("GET", trial.user)
    location = get_member(get_member(answer.document or {}, "meta") or {}, "location")
    return judged(isinstance(location, str) and location.endswith(trial.user), f"meta.location {location}")


def _echoes(trial: Trial) -> Finding:
    wanted = {
        "userName": trial.name,
        "externalId": trial.mark,
        "name.familyName": "Check",
        'emails[type eq "work"].value': trial.name,
        "title": "Trial",
        f"{ENTERPRISE_USER}:department": "Trials",
    }
    lost = [name for name, value in wanted.items() if str(trial.read(name)).lower() != value.lower()]
    return judged(not lost, f"not kept: {', '.join(lost)}" if lost else "everything that was sent is shown")


def _is_active(trial: Trial) -> Finding:
    found = trial.read("active")
    return judged(found is True, f"active is {found!r}")


def _is_found(trial: Trial) -> Finding:
    answer = trial.session.send("GET", f"/Users?filter={quote(f'userName eq {chr(34)}{trial.name}{chr(34)}')}")
    return judged(trial.user_id in answer.ids, answer.shown())


def _refuses_twins(trial: Trial) -> Finding:
    answer = trial.session.send("POST", "/Users", trial.body())
    kind = get_member(answer.document or {}, "scimType")
    if 200 <= answer.status < 300:
        twin = get_member(answer.document or {}, "id")
        if twin not in (None, trial.user_id):
            trial.session.send("DELETE", f"/Users/{quote(str(twin), safe='')}")
    return judged(answer.status == 409, f"{answer.shown()}, scimType {kind}")


def _names_uniqueness(trial: Trial) -> Finding:
    answer = trial.session.send("POST", "/Users", trial.body())
    kind = get_member(answer.document or {}, "scimType")
    return judged(answer.status == 409 and kind == "uniqueness", f"{answer.shown()}, scimType {kind}")


def _replaces(trial: Trial) -> Finding:
    return _patched(trial, "title", "Second", {"op": "replace", "path": "title", "value": "Second"})


def _replaces_in_capitals(trial: Trial) -> Finding:
    return _patched(trial, "title", "Third", {"op": "Replace", "path": "title", "value": "Third"})


def _replaces_without_path(trial: Trial) -> Finding:
    return _patched(trial, "title", "Fourth", {"op": "replace", "value": {"title": "Fourth"}})


def _replaces_sub_attribute(trial: Trial) -> Finding:
    operation = {"op": "replace", "path": "name.familyName", "value": "Checked"}
    return _patched(trial, "name.familyName", "Checked", operation)


def _replaces_of_extension(trial: Trial) -> Finding:
    path = f"{ENTERPRISE_USER}:department"
    return _patched(trial, path, "Tests", {"op": "replace", "path": path, "value": "Tests"})


def _replaces_by_filter(trial: Trial) -> Finding:
    path, value = 'emails[type eq "work"].value', f"second-{trial.name}"
    return _patched(trial, path, value, {"op": "replace", "path": path, "value": value})


def _adds_by_filter(trial: Trial) -> Finding:
    path, value = 'phoneNumbers[type eq "work"].value', "+31201234567"
    return _patched(trial, path, value, {"op": "add", "path": path, "value": value})


def _removes(trial: Trial) -> Finding:
    return _patched(trial, "title", None, {"op": "remove", "path": "title"})


def _puts(trial: Trial) -> Finding:
    answer = trial.session.send("PUT", trial.user, {**trial.body(), "id": trial.user_id, "title": "Put"})
    found = trial.read("title")
    return judged(200 <= answer.status < 300 and found == "Put", f"{answer.shown()}, title {found!r}")


def _switches_off(trial: Trial) -> Finding:
    return _patched(trial, "active", False, {"op": "replace", "path": "active", "value": False})


def _stays_visible(trial: Trial) -> Finding:
    if trial.read("active") is not False:
        return skipped("It could not be switched off.")
    answer = trial.session.send("GET", f"/Users?filter={quote(f'userName eq {chr(34)}{trial.name}{chr(34)}')}")
    return judged(trial.user_id in answer.ids, answer.shown())


def _switches_on(trial: Trial) -> Finding:
    return _patched(trial, "active", True, {"op": "replace", "path": "active", "value": True})


def _switches_by_text(trial: Trial) -> Finding:
    return _patched(trial, "active", False, {"op": "Replace", "path": "active", "value": "False"})


def _refuses_unknown_path(trial: Trial) -> Finding:
    answer = trial.patch({"op": "replace", "path": "][", "value": "x"})
    return judged(answer.status == 400, answer.shown())


def _deletes(trial: Trial) -> Finding:
    answer = trial.session.send("DELETE", trial.user)
    return judged(answer.status == 204, answer.shown())


def _is_gone(trial: Trial) -> Finding:
    answer = trial.session.send("GET", trial.user)
    trial.user_id = None
    if answer.status == 200:
        active = get_member(answer.document or {}, "active")
        trial.left.append(trial.name)
        return judged(active is False, f"the account is kept, active {active!r}")
    return judged(answer.status in (404, 410), answer.shown())


# ---------------------------------------------------------------- groups


def _creates_group(trial: Trial) -> Finding:
    if not trial.session.has_groups:
        return skipped("Groups are not offered.")
    body = {"schemas": [CORE_GROUP], "displayName": f"muster-check-{trial.mark}", "members": []}
    answer = trial.session.send("POST", "/Groups", body)
    found = get_member(answer.document or {}, "id")
    trial.group_id = str(found) if 200 <= answer.status < 300 and found not in (None, "") else None
    return judged(answer.status == 201 and trial.group_id is not None, answer.shown())


def _adds_member(trial: Trial) -> Finding:
    return _membered(trial, {"op": "add", "path": "members", "value": [{"value": trial.user_id}]}, there=True)


def _removes_member(trial: Trial) -> Finding:
    return _membered(trial, {"op": "remove", "path": f'members[value eq "{trial.user_id}"]'}, there=False)


def _removes_member_as_entra(trial: Trial) -> Finding:
    if trial.group_id is None:
        return skipped(_NO_GROUP)
    trial.patch({"op": "Add", "path": "members", "value": [{"value": trial.user_id}]}, path=trial.group)
    operation = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": trial.user_id}]}
    return _membered(trial, operation, there=False)


def _renames_group(trial: Trial) -> Finding:
    if trial.group_id is None:
        return skipped(_NO_GROUP)
    name = f"muster-check-2-{trial.mark}"
    answer = trial.patch({"op": "replace", "path": "displayName", "value": name}, path=trial.group)
    found = trial.read("displayName", trial.group)
    return judged(answer.status in (200, 204) and found == name, f"{answer.shown()}, displayName {found!r}")


def _deletes_group(trial: Trial) -> Finding:
    if trial.group_id is None:
        return skipped(_NO_GROUP)
    answer = trial.session.send("DELETE", trial.group)
    trial.group_id = None if 200 <= answer.status < 300 else trial.group_id
    return judged(answer.status == 204, answer.shown())


# ---------------------------------------------------------------- judging


def _patched(trial: Trial, name: str, wanted: Any, operation: Mapping[str, Any]) -> Finding:
    if trial.session.offers("patch") is False:
        return skipped("PATCH is not offered.")
    answer = trial.patch(operation)
    found = trial.read(name)
    is_there = found is None or found == "" if wanted is None else found == wanted
    return judged(answer.status in (200, 204) and is_there, f"{answer.shown()}, then {name} is {found!r}")


def _membered(trial: Trial, operation: Mapping[str, Any], *, there: bool) -> Finding:
    if trial.group_id is None or trial.user_id is None:
        return skipped(_NO_GROUP)
    answer = trial.patch(operation, path=trial.group)
    document = trial.session.send("GET", trial.group).document or {}
    listed = get_member(document, "members") or []
    ids = [str(get_member(item, "value")) for item in listed if isinstance(item, Mapping)]
    return judged(
        answer.status in (200, 204) and (trial.user_id in ids) is there, f"{answer.shown()}, members {len(ids)}"
    )


_E, _I, _F = Weight.ESSENTIAL, Weight.IMPORTANT, Weight.FORMAL

ROWS: tuple[tuple[str, str, str, Weight, str, Callable[[Trial], Finding]], ...] = (
    ("create", "users", "POST creates a user: 201", _E, "RFC 7644 §3.3", _creates),
    ("create.location", "users", "meta.location leads to it", _F, "RFC 7644 §3.3", _locates),
    ("create.echo", "users", "What was sent is kept", _I, "RFC 7644 §3.3", _echoes),
    ("create.active", "users", "It is active", _I, "RFC 7643 §4.1.1", _is_active),
    ("create.found", "users", "A filter finds it at once", _E, "RFC 7644 §3.4.2", _is_found),
    ("twin", "users", "The same userName again: 409", _E, "RFC 7644 §3.3", _refuses_twins),
    ("twin.type", "users", "… with scimType uniqueness", _F, "RFC 7644 §3.12", _names_uniqueness),
    ("patch.replace", "changes", "PATCH replace", _E, "RFC 7644 §3.5.2.3", _replaces),
    ("patch.capitals", "changes", "PATCH Replace, as Entra writes it", _F, "Microsoft Entra", _replaces_in_capitals),
    ("patch.pathless", "changes", "PATCH without path", _I, "RFC 7644 §3.5.2.3", _replaces_without_path),
    ("patch.sub", "changes", "PATCH of name.familyName", _I, "RFC 7644 §3.5.2", _replaces_sub_attribute),
    ("patch.extension", "changes", "PATCH of an extension's attribute", _I, "RFC 7644 §3.10", _replaces_of_extension),
    ("patch.filter", "changes", 'PATCH of emails[type eq "work"].value', _I, "RFC 7644 §3.5.2", _replaces_by_filter),
    ("patch.add", "changes", "PATCH add through a filter", _F, "Microsoft Entra", _adds_by_filter),
    ("patch.remove", "changes", "PATCH remove", _I, "RFC 7644 §3.5.2.2", _removes),
    ("patch.wrong", "changes", "A wrong path: 400", _F, "RFC 7644 §3.5.2", _refuses_unknown_path),
    ("put", "changes", "PUT replaces the user", _I, "RFC 7644 §3.5.1", _puts),
    ("off", "changes", "active false", _E, "RFC 7643 §4.1.1", _switches_off),
    ("off.found", "changes", "Somebody inactive is still found", _E, "RFC 7644 §3.4.2", _stays_visible),
    ("on", "changes", "active true again", _E, "RFC 7643 §4.1.1", _switches_on),
    ("off.text", "changes", 'active "False", as Entra writes it', _F, "Microsoft Entra", _switches_by_text),
    ("group", "groups", "POST creates a group: 201", _I, "RFC 7644 §3.3", _creates_group),
    ("group.add", "groups", "A member is added", _I, "RFC 7644 §3.5.2.1", _adds_member),
    ("group.remove", "groups", "A member is removed by a filter", _I, "RFC 7644 §3.5.2.2", _removes_member),
    (
        "group.remove.entra",
        "groups",
        "… by a list, as Entra writes it",
        _F,
        "Microsoft Entra",
        _removes_member_as_entra,
    ),
    ("group.rename", "groups", "A group is renamed", _I, "RFC 7644 §3.5.2.3", _renames_group),
    ("group.delete", "groups", "A group is deleted: 204", _I, "RFC 7644 §3.6", _deletes_group),
    ("delete", "users", "DELETE: 204", _I, "RFC 7644 §3.6", _deletes),
    ("delete.gone", "users", "… and the user is gone, or inactive", _I, "RFC 7644 §3.6", _is_gone),
)

_BEFORE_A_USER = frozenset({"create"})


def writing(trial: Trial) -> tuple[Probe, ...]:
    """Returns the probes of one trial, to be run in this order."""

    def bound(name: str, run: Callable[[Trial], Finding]) -> Callable[[Session], Finding]:
        def probe(_: Session) -> Finding:
            if trial.user_id is None and name not in _BEFORE_A_USER:
                return skipped(_NO_USER)
            return run(trial)

        return probe

    return tuple(
        Probe(name=name, area=area, title=title, weight=weight, source=source, run=bound(name, run))
        for name, area, title, weight, source, run in ROWS
    )
