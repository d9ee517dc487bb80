"""API-driven inbound provisioning: people from a SCIM bulk request into the directory, by the import job.

Source: Microsoft Graph, bulkUpload; RFC 7644 §3.7. Which attribute becomes which is Entra's default for this direction.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from muster.administration.desk import Desk
from muster.administration.inbound.asked import ENABLED, Removal
from muster.administration.inbound.removals import take_back, weigh
from muster.administration.refusals import RefusalKind, Refused, bad_request, not_found
from muster.administration.work import import_file, import_job_id
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind, why_text_is_refused
from muster.model.operation import OperationKind
from muster.model.roles import Permission
from muster.ports.administration import Work, WorkKind
from muster.ports.directory import DirectoryQuery

OPERATIONS_LIMIT = 50
# As many as an engine carries out in a minute or two; whoever sends more is told to wait.
WAITING_LIMIT = 200
_WAIT = timedelta(seconds=30)
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

# Ours <- SCIM's, as a path; of lists the first value of the type.
_PLAIN = {
    "userPrincipalName": "userName",
    "displayName": "displayName",
    "givenName": "name/givenName",
    "surname": "name/familyName",
    "jobTitle": "title",
    "employeeType": "userType",
    "preferredLanguage": "preferredLanguage",
    "accountEnabled": "active",
    "employeeId": "externalId",
    "department": f"{ENTERPRISE}/department",
    "costCenter": f"{ENTERPRISE}/costCenter",
    "division": f"{ENTERPRISE}/division",
    "companyName": f"{ENTERPRISE}/organization",
}
# By which people are known; each stands in an upload once.
_IDENTITIES = ("userPrincipalName", "employeeId")
_TYPED = {
    "mail": ("emails", "work", "value"),
    "telephoneNumber": ("phoneNumbers", "work", "value"),
    "mobile": ("phoneNumbers", "mobile", "value"),
    "facsimileTelephoneNumber": ("phoneNumbers", "fax", "value"),
    "physicalDeliveryOfficeName": ("addresses", "work", "formatted"),
    "streetAddress": ("addresses", "work", "streetAddress"),
    "city": ("addresses", "work", "locality"),
    "state": ("addresses", "work", "region"),
    "postalCode": ("addresses", "work", "postalCode"),
    "country": ("addresses", "work", "country"),
}


def upload(desk: Desk, service_principal_id: str, job_id: str, document: Mapping[str, Any]) -> Work:
    """Returns the queued import of the people in a bulk request. Raises: Refused, naming the operation that is wrong.

    Whoever is there is changed, others are made; nobody is removed. What is left out stays as it is: an absent
    `active`, too, which Entra takes for a reason to disable. Whoever sends an address book without that column would
    switch everybody off by it, and an import of the same people as a file leaves it as well.
    """
    desk.require(Permission.WRITE_DIRECTORY)
    job = desk.stores.jobs.get(job_id)
    if job is None or job.service_principal_id != service_principal_id:
        raise not_found("Synchronization job", job_id)
    if job.id != import_job_id(desk):
        raise bad_request(
            f"The job {job.id} provisions to an application. People are uploaded to the job {import_job_id(desk)}."
        )
    waiting = desk.stores.work.waiting(WorkKind.IMPORT)
    if waiting >= WAITING_LIMIT:
        raise Refused(
            RefusalKind.TOO_MANY,
            "TooManyRequests",
            f"{waiting} uploads wait to be carried out; no more than {WAITING_LIMIT} may: send the rest later.",
            retry_after=_WAIT,
        )
    people = [_person(number, operation) for number, operation in enumerate(_operations(document), 1)]
    rows = _named(desk, job_id, people)
    rows += _managers_met(desk, job_id, people, rows)
    _weigh_blocked(desk, job_id, rows)
    # One import: two of them may exchange their names.
    return import_file(desk, "bulkUpload.json", json.dumps({"users": rows}).encode())


def _weigh_blocked(desk: Desk, job_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Has whom an upload blocks counted, as of any SCIM client; of those who are held the rest is taken."""
    asked = [row for row in rows if "accountEnabled" in row]
    if not asked:
        return
    linked = desk.stores.links.links(job_id, ObjectKind.USER, [_anchor(row) for row in asked])
    with desk.together():
        for row in asked:
            # As the import finds them: by the external id that it knows, else by name.
            link = linked.get(_anchor(row))
            known = link.target_id if link is not None else None
            found = desk.stores.directory.get(ObjectKind.USER, known or str(row["userPrincipalName"]))
            if found is None or found.lifecycle is not Lifecycle.PRESENT:
                continue
            if not _blocks(row):
                take_back(desk, found)
            elif found.attributes.get(ENABLED) is not False and weigh(
                desk, Removal(kind=OperationKind.DISABLE, found=found), is_logged=False
            ):
                del row["accountEnabled"]


def _anchor(row: Mapping[str, Any]) -> str:
    """By which the import knows whom a row is about."""
    return str(row.get("employeeId") or str(row["userPrincipalName"]).casefold())


def _blocks(row: Mapping[str, Any]) -> bool:
    return str(row.get("accountEnabled")).lower() == "false"


def _operations(document: Mapping[str, Any]) -> Sequence[Any]:
    schemas = document.get("schemas")
    if not isinstance(schemas, list) or BULK_REQUEST not in schemas:
        raise bad_request(f"The body must be a SCIM bulk request: schemas holds {BULK_REQUEST}.")
    operations = document.get("Operations")
    if not isinstance(operations, list) or not 1 <= len(operations) <= OPERATIONS_LIMIT:
        raise bad_request(f"Operations takes a list of 1 to {OPERATIONS_LIMIT} operations.")
    seen: dict[str, int] = {}
    for number, operation in enumerate(operations, 1):
        # Lenient: one without a bulkId is taken, as nothing refers to it.
        bulk_id = operation.get("bulkId") if isinstance(operation, Mapping) else None
        if bulk_id is not None and not isinstance(bulk_id, str):
            raise bad_request(f"Operation {number}: bulkId must be a text.")
        if bulk_id is not None and seen.setdefault(bulk_id, number) != number:
            raise bad_request(f"Operation {number}: operation {seen[bulk_id]} has the bulkId “{bulk_id[:60]}”, too.")
    return operations


def _person(number: int, operation: Any) -> dict[str, Any]:
    """A row of the import, with the manager's external id under `manager`. Raises: Refused."""
    if not isinstance(operation, Mapping):
        raise bad_request(f"Operation {number}: it must be an object.")
    path = str(operation.get("path") or "").rstrip("/").lower()
    if str(operation.get("method") or "").upper() != "POST" or path != "/users":
        raise bad_request(f"Operation {number}: only method POST with path /Users is taken.")
    data = operation.get("data")
    if not isinstance(data, Mapping):
        raise bad_request(f"Operation {number}: data must be a user.")
    schemas = data.get("schemas")
    # Lenient: data that names no schema is a user's, as the path says.
    if schemas is not None and not (isinstance(schemas, list) and USER in schemas):
        raise bad_request(f"Operation {number}: schemas of the data must hold {USER}.")
    for name in dict.fromkeys(place[0] for place in _TYPED.values()):
        values = data.get(name)
        if values is not None and not (isinstance(values, list) and all(isinstance(each, Mapping) for each in values)):
            raise bad_request(f"Operation {number}: {name} must be a list of objects with value and type.")
    row = {name: _at(data, path) for name, path in _PLAIN.items()}
    row |= {name: _typed(data, *place) for name, place in _TYPED.items()}
    # As the import reads them: blanks around a name make nobody else of it.
    texts = {name: value for name, value in row.items() if isinstance(value, str) and name != "accountEnabled"}
    row |= {name: value.strip() or None for name, value in texts.items()}
    if row["employeeId"] is None:
        row["employeeId"] = _at(data, f"{ENTERPRISE}/employeeNumber")
    full_name = " ".join(str(part) for part in (row["givenName"], row["surname"]) if part)
    row["displayName"] = row["displayName"] or _at(data, "name/formatted") or full_name or None
    row["manager"] = _manager(_at(data, f"{ENTERPRISE}/manager"))
    wrong = [name for name, value in row.items() if not isinstance(value, str | bool | int | float | None)]
    if wrong:
        raise bad_request(f"Operation {number}: {_PLAIN.get(wrong[0], wrong[0])} must be a text.")
    for name, value in row.items():
        problem = why_text_is_refused(name, value) if isinstance(value, str) else None
        if problem is not None:
            raise bad_request(f"Operation {number}: {_PLAIN.get(name, name)} {problem}.")
    # The import knows more words for it than who counts whom it blocks.
    if row["accountEnabled"] is not None and str(row["accountEnabled"]).lower() not in ("true", "false"):
        raise bad_request(f"Operation {number}: active must be true or false.")
    if row["userPrincipalName"] is None and row["employeeId"] is None:
        raise bad_request(f"Operation {number}: a user needs a userName, or the externalId of one who has it already.")
    return {name: value for name, value in row.items() if value is not None}


def _named(desk: Desk, job_id: str, people: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with principal names for those of whom only the external id is given. Raises: Refused.

    A manager stays an external id: by it people are known to the import, of whichever upload they are. Whoever stands
    in it twice is refused, as nobody can tell which is meant; equal ones count once. So is whoever has the name of one
    person and the external id of another, unless the import knows them: then it gives them another name.
    """
    given = sorted({str(row["employeeId"]) for row in people if "employeeId" in row})
    linked = desk.stores.links.links(job_id, ObjectKind.USER, given)
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for number, row in enumerate(people, 1):
        whole = dict(row)
        if "userPrincipalName" not in whole:
            name = _principal_name(desk, number, whole["employeeId"])
            if name is None:
                raise bad_request(
                    f"Operation {number}: nobody has the externalId “{whole['employeeId']}”: give a userName."
                )
            whole["userPrincipalName"] = name
        elif "employeeId" in whole and str(whole["employeeId"]) not in linked:
            _check_that_one_is_meant(desk, number, str(whole["userPrincipalName"]), str(whole["employeeId"]))
        keys = [(name, str(whole[name]).casefold()) for name in _IDENTITIES if name in whole]
        earlier = next(((name, *seen[name, value]) for name, value in keys if (name, value) in seen), None)
        if earlier is None:
            seen.update(dict.fromkeys(keys, (number, whole)))
            rows.append(whole)
        elif earlier[2] != whole:
            name, first, _ = earlier
            raise bad_request(
                f"Operation {number}: operation {first} has the {_PLAIN[name]} “{str(whole[name])[:60]}”, too, and "
                "differs: nobody can tell which is meant."
            )
    return rows


def _check_that_one_is_meant(desk: Desk, number: int, principal_name: str, employee_id: str) -> None:
    named = desk.stores.directory.get(ObjectKind.USER, principal_name)
    if named is None or named.lifecycle is Lifecycle.HARD_DELETED or named.attributes.get("employeeId") == employee_id:
        return
    numbered = _with_employee_id(desk, number, employee_id)
    if numbered is not None and numbered.object_id != named.object_id:
        raise bad_request(
            f"Operation {number}: the userName is that of {named.display_name}, the externalId that of "
            f"{numbered.display_name}: nobody can tell which is meant."
        )


def _managers_met(
    desk: Desk, job_id: str, people: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows for managers whom the directory has from elsewhere, so that the import knows who is meant.

    They say nothing but who that is. In `rows` the managers' external ids become as the directory writes them.
    """
    named = {str(row["employeeId"]) for row in rows if "employeeId" in row}
    asking = {str(row["manager"]): number for number, row in reversed([*enumerate(people, 1)]) if "manager" in row}
    principals = {str(row["userPrincipalName"]).casefold() for row in rows}
    asked = sorted(asking.keys() - named)
    linked = desk.stores.links.links(job_id, ObjectKind.USER, asked)
    met: dict[str, dict[str, Any]] = {}
    for employee_id in asked:
        found = None if employee_id in linked else _with_employee_id(desk, asking[employee_id], employee_id)
        if found is not None and str(found.attributes["userPrincipalName"]).casefold() not in principals:
            met[employee_id] = {name: found.attributes[name] for name in _IDENTITIES}
    for row in rows:
        if str(row.get("manager")) in met:
            row["manager"] = met[str(row["manager"])]["employeeId"]
    return list({row["employeeId"]: row for row in met.values() if row["employeeId"] not in named}.values())


def _principal_name(desk: Desk, number: int, employee_id: str) -> str | None:
    found = _with_employee_id(desk, number, employee_id)
    return None if found is None else str(found.attributes.get("userPrincipalName"))


def _with_employee_id(desk: Desk, number: int, employee_id: str) -> DirectoryObject | None:
    query = DirectoryQuery(kind=ObjectKind.USER, comparisons=(("employeeId", "eq", employee_id),), limit=2)
    found = desk.stores.directory.search(query).objects
    if len(found) > 1:
        raise bad_request(
            f"Operation {number}: several people have the externalId “{employee_id[:60]}”: nobody can tell which is "
            "meant."
        )
    return found[0] if found else None


def _manager(value: Any) -> Any:
    # Lenient: Entra's own clients also send the id alone.
    return value.get("value") if isinstance(value, Mapping) else value


def _at(data: Mapping[str, Any], path: str) -> Any:
    found: Any = data
    # A URN holds no slash.
    for name in path.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _typed(data: Mapping[str, Any], name: str, kind: str, part: str) -> Any:
    values = (
        [each for each in data.get(name) or () if isinstance(each, Mapping)] if isinstance(data.get(name), list) else []
    )
    chosen = next((each for each in values if str(each.get("type", "")).lower() == kind), None)
    if chosen is None and kind == "work":
        chosen = next((each for each in values if each.get("primary") is True or "type" not in each), None)
    return None if chosen is None else chosen.get(part)
