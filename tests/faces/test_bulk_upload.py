"""API-driven inbound provisioning: people come into the directory as a SCIM bulk request."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from faces.house import House
from muster.administration import bulk_upload, people
from muster.administration.access import OPERATOR
from muster.administration.refusals import RefusalKind, Refused
from muster.bootstrap.assembly import make_services
from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.ports.administration import WorkKind
from muster.settings import load_settings
from waiting import eventually

SCIM = {"Content-Type": "application/scim+json"}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WITH_MANAGER = {ENTERPRISE: {"manager": {"value": "boss"}}}
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def person(name: str, **more: Any) -> dict[str, Any]:
    data = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": name,
        "userName": f"{name}@lantaarn.example",
        "name": {"givenName": name.capitalize(), "familyName": "Long"},
        "emails": [{"value": f"{name}@post.example", "type": "work", "primary": True}],
        **more,
    }
    return {"method": "POST", "bulkId": name, "path": "/Users", "data": data}


def bulk(*operations: Any) -> dict[str, Any]:
    return {"schemas": [BULK], "Operations": list(operations), "failOnErrors": None}


def test_people_are_made_changed_and_given_managers(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    house = open_house(settings, tmp_path)
    job_id = house.import_job_id()
    found = house.store.jobs.get(job_id)
    assert found is not None
    path = f"/servicePrincipals/{found.service_principal_id}/synchronization/jobs/{job_id}/bulkUpload"
    house.database.close()
    with open_site(settings) as (site, secret):
        api = LocalApi(site, secret)

        def send(*operations: Any) -> None:
            assert api.call("POST", path, bulk(*operations), headers=SCIM) is None

        def users() -> dict[str, Any]:
            return {each["employeeId"]: each for each in api.get("/users")["value"]}

        extension = {ENTERPRISE: {"department": "Sales", "manager": {"value": "boss"}}}
        send(person("ada", title="Clerk", active=True, **extension), person("boss", displayName="The Boss"))
        assert eventually(lambda: set(users()) == {"ada", "boss"})
        ada = users()["ada"]
        assert (ada["displayName"], ada["mail"], ada["department"]) == ("Ada Long", "ada@post.example", "Sales")
        assert (ada["jobTitle"], ada["accountEnabled"]) == ("Clerk", True)
        assert eventually(lambda: has_manager(api, ada["id"]))
        # Known by their external id alone; what is left out stays, `active` too.
        changed = person("ada", title="Chief")
        del changed["data"]["userName"]
        send(changed)
        assert eventually(lambda: users()["ada"]["jobTitle"] == "Chief")
        assert users()["ada"]["accountEnabled"] is True
        # So does the manager, whom another one of the upload may have; known of an earlier upload, they are found.
        assert has_manager(api, users()["ada"]["id"])
        send(person("ben", **extension), person("ada", title="Head"))
        assert eventually(lambda: users()["ada"]["jobTitle"] == "Head" and "ben" in users())
        assert eventually(lambda: has_manager(api, users()["ben"]["id"]))
        assert has_manager(api, users()["ada"]["id"])
        send(person("ada", title="Boss", **{ENTERPRISE: {"manager": {"value": "nobody"}}}))
        assert eventually(lambda: users()["ada"]["jobTitle"] == "Boss")
        send(person("ada", active=False))
        assert eventually(lambda: users()["ada"]["accountEnabled"] is False)
        assert has_manager(api, users()["ada"]["id"])
        # A manager whom no upload has named, but the directory knows: written as nobody else writes it.
        chief = {"displayName": "Chief", "userPrincipalName": "chief@lantaarn.example", "employeeId": "C-1"}
        api.call("POST", "/users", {**chief, "accountEnabled": True})
        send(person("dot", **{ENTERPRISE: {"manager": {"value": "c-1"}}}))
        assert eventually(lambda: "dot" in users() and has_manager(api, users()["dot"]["id"], "Chief"))
        assert users()["C-1"]["displayName"] == "Chief"
        # Two exchange their names.
        send(person("ben", userName="dot@lantaarn.example"), person("dot", userName="ben@lantaarn.example"))
        assert eventually(lambda: users()["ben"]["userPrincipalName"] == "dot@lantaarn.example")
        assert eventually(lambda: users()["dot"]["userPrincipalName"] == "ben@lantaarn.example")
        # So do two of whom one alone is given with a manager; the other keeps theirs.
        named = person("ben", userName="ben@lantaarn.example", **extension)
        send(named, person("dot", userName="dot@lantaarn.example"))
        assert eventually(lambda: users()["ben"]["userPrincipalName"] == "ben@lantaarn.example")
        assert eventually(lambda: users()["dot"]["userPrincipalName"] == "dot@lantaarn.example")
        assert has_manager(api, users()["dot"]["id"], "Chief")
        told = api.get(f"/auditLogs/provisioning?$filter=jobId%20eq%20'{job_id}'")["value"]
        assert {each["provisioningAction"] for each in told} >= {"create", "update"}


def has_manager(api: LocalApi, user_id: str, name: str = "The Boss") -> bool:
    shown = api.get(f"/users/{user_id}?$expand=manager")
    return bool(shown["manager"]) and shown["manager"]["displayName"] == name


def test_who_uploads_faster_than_it_is_carried_out_is_told_to_wait(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(bulk_upload, "WAITING_LIMIT", 2)
    house = open_house(load_settings(data=tmp_path), tmp_path)
    desk = make_services(house).desk(OPERATOR)
    job = house.store.jobs.get(house.import_job_id())
    assert job is not None
    for name in ("ada", "ben"):
        bulk_upload.upload(desk, job.service_principal_id, job.id, bulk(person(name)))
    with pytest.raises(Refused, match="2 uploads wait to be carried out") as caught:
        bulk_upload.upload(desk, job.service_principal_id, job.id, bulk(person("cem")))
    assert caught.value.kind is RefusalKind.TOO_MANY and caught.value.retry_after == timedelta(seconds=30)
    # Once one is taken there is room for another.
    assert house.store.work.take("engine") is not None
    bulk_upload.upload(desk, job.service_principal_id, job.id, bulk(person("cem")))
    house.database.close()


def test_an_upload_is_queued_as_a_whole_and_equal_people_count_once(tmp_path: Path, monkeypatch: Any) -> None:
    house = open_house(load_settings(data=tmp_path), tmp_path)
    desk = make_services(house).desk(OPERATOR)
    job = house.store.jobs.get(house.import_job_id())
    assert job is not None
    twice = bulk(person("ada"), {**person("ada"), "bulkId": "2"}, person("ben", **WITH_MANAGER))
    with monkeypatch.context() as broken:
        kept: list[bytes] = []

        def keep(upload_id: str, file_name: str, content: bytes) -> str:
            kept.append(content)
            raise OSError("No space left on device")

        broken.setattr(desk.uploads, "keep", keep)
        with pytest.raises(OSError, match="No space"):
            bulk_upload.upload(desk, job.service_principal_id, job.id, twice)
    assert [len(json.loads(content)["users"]) for content in kept] == [2]
    assert house.store.work.waiting(WorkKind.IMPORT) == 0
    bulk_upload.upload(desk, job.service_principal_id, job.id, twice)
    assert house.store.work.waiting(WorkKind.IMPORT) == 1
    house.database.close()


def test_of_whom_nobody_can_tell_who_is_meant_is_refused(tmp_path: Path) -> None:
    house = open_house(load_settings(data=tmp_path), tmp_path)
    desk = make_services(house).desk(OPERATOR)
    job = house.store.jobs.get(house.import_job_id())
    assert job is not None
    for name, number in (("ada", "twice"), ("ben", "twice"), ("cem", "C-1"), ("dot", "D-1")):
        made = {"displayName": name, "userPrincipalName": f"{name}@lantaarn.example", "employeeId": number}
        people.create_user(desk, {**made, "accountEnabled": True})
    nameless = person("twice", active=False)
    del nameless["data"]["userName"]
    managed = person("eve", **{ENTERPRISE: {"manager": {"value": "twice"}}})
    crossed = person("cem", externalId="D-1", active=False)
    several = "Operation 2: several people have the externalId “twice”"
    one = "Operation 2: the userName is that of cem, the externalId that of dot"
    for wrong, says in ((nameless, several), (managed, several), (crossed, one)):
        with pytest.raises(Refused, match=says):
            bulk_upload.upload(desk, job.service_principal_id, job.id, bulk(person("fay"), wrong))
    assert house.store.work.waiting(WorkKind.IMPORT) == 0
    # Who has another number now, or another name, is one person.
    corrected, renamed = person("cem", externalId="C-2"), person("dora", externalId="D-1")
    bulk_upload.upload(desk, job.service_principal_id, job.id, bulk(corrected, renamed))
    house.database.close()


def test_an_outbound_job_takes_no_upload(house: House) -> None:
    sp = house.application()["id"]
    job = house.job(sp)["id"]
    path = f"/servicePrincipals/{sp}/synchronization/jobs/{job}/bulkUpload"
    answer = house.call("POST", path, raw=json.dumps(bulk(person("ada"))).encode(), headers=SCIM)
    assert (answer.status, "file" in answer.message) == (400, True)
    assert house.call("POST", path, bulk(person("ada"))).status == 400
    assert (
        house.call(
            "POST", f"/servicePrincipals/{sp}/synchronization/jobs/no/bulkUpload", raw=b"{}", headers=SCIM
        ).status
        == 404
    )


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "schemas"),
        ({"schemas": [BULK]}, "1 to 50"),
        (bulk(), "1 to 50"),
        (bulk(*[person("ada")] * 51), "1 to 50"),
        ({"schemas": 5, "Operations": [person("ada")]}, "schemas"),
        ({"schemas": BULK, "Operations": [person("ada")]}, "schemas"),
        (bulk("x"), "Operation 1"),
        (bulk(person("ada"), person("ben"), person("ada")), "operation 1 has the bulkId “ada”, too"),
        (bulk({**person("ada"), "bulkId": 7}), "bulkId must be a text"),
        (
            bulk(person("ada", **WITH_MANAGER), {**person("ada"), "bulkId": "2"}),
            "Operation 2: operation 1 has the userName “ada@lantaarn.example”, too, and differs",
        ),
        (bulk(person("ada"), person("ben", externalId="ADA")), "operation 1 has the externalId “ADA”, too"),
        (bulk(person("ada", schemas=["urn:ietf:params:scim:schemas:core:2.0:Group"])), "core:2.0:User"),
        (bulk(person("ada", emails="ada@post.example")), "emails must be a list"),
        (bulk(person("ada", phoneNumbers=["+31"])), "phoneNumbers must be a list"),
        (bulk({**person("ada"), "method": "DELETE"}), "POST"),
        (bulk({**person("ada"), "path": "/Groups"}), "/Users"),
        (bulk(person("ada"), {**person("ben"), "data": []}), "Operation 2"),
        (bulk(person("ada", title=["x"])), "title"),
        (bulk(person("ada"), person("ben", title="x" * 1025)), "Operation 2: title takes at most 1,024 characters"),
        (bulk(person("ada", userName=None, externalId=None)), "userName"),
        (bulk(person("ada", userName=None)), "nobody has"),
    ],
)
def test_a_wrong_upload_is_refused_by_its_operation(tmp_path: Path, document: Any, says: str) -> None:
    settings = load_settings(data=tmp_path)
    house = open_house(settings, tmp_path)
    job_id = house.import_job_id()
    found = house.store.jobs.get(job_id)
    assert found is not None
    house.database.close()
    path = f"/v1.0/servicePrincipals/{found.service_principal_id}/synchronization/jobs/{job_id}/bulkUpload"
    with open_site(settings) as (site, secret):
        api = LocalApi(site, secret)
        headers = {"content-type": "application/scim+json"}
        status, body = api.exchange("POST", path, json.dumps(document).encode(), headers)
    assert status == 400
    assert says in json.loads(body)["error"]["message"]


def test_a_tenant_takes_forty_uploads_a_second(house: House) -> None:
    sp = house.application()["id"]
    path = f"/servicePrincipals/{sp}/synchronization/jobs/no/bulkUpload"

    def send() -> Any:
        return house.call("POST", path, raw=b"{}", headers=SCIM)

    assert {send().status for _ in range(40)} == {404}
    late = send()
    assert (late.status, late.code, late.headers["retry-after"]) == (429, "TooManyRequests", "1")
    house.clock.at += timedelta(seconds=1)
    assert send().status == 404
