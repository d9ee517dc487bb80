"""The tutorial in the portal, form by form: gallery, roles, assignments, credentials, mappings, filters, status."""

import json
import re
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from faces.house import GOOD_TOKEN, TENANT_URL, House, Started
from faces.portal_visit import Visit
from muster.administration import mapping_edits
from muster.gallery.catalogue import GENERIC_TEMPLATE_ID, find
from muster.model.application import DEFAULT_ACCESS
from muster.model.failures import CredentialsRefused
from muster.model.job import ScheduleState
from muster.model.roles import Role

ADMIN = Role.GLOBAL_ADMINISTRATOR
FORM = {
    "url": TENANT_URL,
    "secret": GOOD_TOKEN,
    "email": "it@example.com",
    "sends_mail": "on",
    "guards_deletions": "on",
    "threshold": "50",
    "scope": "assigned",
    "interval": "40",
    "status": "off",
}


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, ADMIN)


@pytest.fixture
def sp(house: House) -> str:
    return str(house.application()["id"])


def refused(answer: TestResponse, sentence: str, status: int = 400) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert sentence in answer.text


# ---------------------------------------------------------------- gallery


def test_an_application_is_added_from_the_gallery_under_a_name_of_its_own(house: House, visit: Visit) -> None:
    assert "8x8" in visit.text("/applications/new?search=telecomm")
    assert "Nothing of that kind" in visit.text("/applications/new?search=zzz")
    page = find("8x8")
    assert page is not None
    assert "Does not entitle" in visit.text(f"/applications/new/{page.id}")
    answer = visit.post(f"/applications/new/{page.id}", name="8x8 test")
    made = next(each for each in house.stores.applications.list() if each.display_name == "8x8 test")
    assert answer.headers["Location"] == f"/applications/{made.service_principal_id}?said=created"
    assert "Created." in visit.text(answer.headers["Location"])
    assert "8x8 test" in visit.text(f"/applications/new/{page.id}")


def test_a_name_that_is_none_comes_back_with_the_form(visit: Visit) -> None:
    refused(visit.post(f"/applications/new/{GENERIC_TEMPLATE_ID}", name="  "), "displayName takes 1 to 120")


def test_the_gallery_is_narrowed_by_what_applications_support(visit: Visit) -> None:
    everything, few = visit.text("/applications/new"), visit.text("/applications/new?mark=sso")
    assert everything.count('class="tile"') > few.count('class="tile"') > 0
    assert visit.get("/applications/new?category=nonsense").status_code == 400


def test_the_list_is_searched_by_name_and_id_and_narrowed_by_state(visit: Visit, job: Started) -> None:
    assert "data-line>" in visit.text(f"/applications?search={job.sp}")
    assert "No application fits" in visit.text("/applications?search=slack")
    assert "No application fits" in visit.text("/applications?state=bad")


# ---------------------------------------------------------------- properties, roles, manifest


def test_properties_are_saved_and_an_application_is_removed_only_by_its_name(
    house: House, visit: Visit, sp: str
) -> None:
    path = f"/applications/{sp}/properties"
    assert visit.post(path, name="Telephony", default_access="on").status_code == 303
    kept = house.stores.applications.get(sp)
    assert kept is not None
    assert (kept.display_name, kept.is_enabled, kept.accepts_default_access) == ("Telephony", False, True)
    refused(visit.post(path, name=""), "displayName takes")
    refused(visit.post(f"/applications/{sp}/remove", confirm="8x8"), "The name does not match")
    assert visit.post(f"/applications/{sp}/remove", confirm="Telephony").status_code == 303
    assert house.stores.applications.get(sp) is None


def test_a_role_is_made_disabled_and_only_then_deleted(house: House, visit: Visit, sp: str) -> None:
    roles = f"/applications/{sp}/roles"
    given = {"display_name": "Supervisor", "value": "Supervisor", "enabled": "on", "members_user": "on"}
    refused(visit.post(f"{roles}/new", **{**given, "value": "two words"}), "must have no blanks")
    assert visit.post(f"{roles}/new", **given).status_code == 303
    application = house.stores.applications.get(sp)
    assert application is not None
    role = application.app_roles[-1]
    assert role.display_name == "Supervisor"
    refused(visit.post(f"{roles}/{role.id}/remove"), "cannot be deleted unless it is disabled first")
    assert visit.post(f"{roles}/{role.id}", **{k: v for k, v in given.items() if k != "enabled"}).status_code == 303
    assert visit.post(f"{roles}/{role.id}/remove").status_code == 303
    assert visit.get(f"{roles}/{role.id}").status_code == 404


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[:-3], "is no JSON"),
        (lambda _: "[]", "one JSON object"),
        (lambda _: "9" * 5_000, "is no JSON"),
        (lambda _: "[" * 5_000, "is no JSON"),
        (lambda text: text.replace('"name"', '"nam"', 1), "nam is not part of the manifest"),
        (lambda text: re.sub(r'"appId": "[^"]*"', '"appId": "x"', text), "appId cannot be changed"),
        (lambda text: re.sub(r'"isEnabled": true', '"isEnabled": 1', text, count=1), "isEnabled takes true or false"),
        (lambda text: re.sub(r'"value": "[^"]*"', '"value": "a b"', text, count=1), "must have no blanks"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_the_place(visit: Visit, sp: str, change, sentence: str) -> None:  # type: ignore[no-untyped-def]  # a lambda of text
    text = visit.text(f"/applications/{sp}/manifest.json")
    answer = visit.post(f"/applications/{sp}/manifest", manifest=change(text))
    refused(answer, sentence)


def test_a_role_is_added_through_the_manifest(house: House, visit: Visit, sp: str) -> None:
    document = json.loads(visit.text(f"/applications/{sp}/manifest.json"))
    document["appRoles"].append(
        {
            "allowedMemberTypes": ["User"],
            "description": "",
            "displayName": "Agent",
            "id": "11111111-2222-4333-8444-555555555555",
            "isEnabled": True,
            "value": "Agent",
            "origin": "Application",
        }
    )
    assert visit.post(f"/applications/{sp}/manifest", manifest=json.dumps(document)).status_code == 303
    kept = house.stores.applications.get(sp)
    assert kept is not None
    assert kept.app_roles[-1].display_name == "Agent"
    again = visit.post(f"/applications/{sp}/manifest", manifest=visit.text(f"/applications/{sp}/manifest.json"))
    assert again.headers["Location"].endswith("said=unchanged")


# ---------------------------------------------------------------- assignments


def test_people_are_picked_assigned_given_another_role_and_taken_away(house: House, visit: Visit, sp: str) -> None:
    ada, group = house.user("ada")["id"], house.group("Sales")["id"]
    path = f"/applications/{sp}/users-and-groups"
    assert "Nobody is assigned yet" in visit.text(path)
    assert "Ada Example" in visit.get(f"{path}/add?search=ada", HX_Request="true").text
    refused(visit.post(f"{path}/add", role=DEFAULT_ACCESS), "Nobody is picked")
    token = visit.token("/")
    body = {"csrf_token": token, "principal": [ada, group], "role": DEFAULT_ACCESS}
    assert visit.client.post(f"{path}/add", data=body).status_code == 303
    assert "2 of them hold only Default Access" in visit.text(path)
    kept = house.stores.applications.get(sp)
    assert kept is not None
    role = next(each for each in kept.app_roles if each.display_name == "User")
    given = house.stores.applications.assignments(service_principal_id=sp)
    picked = {"csrf_token": token, "assignment": [each.id for each in given], "role": role.id}
    assert visit.client.post(f"{path}/role", data=picked).status_code == 303
    given = house.stores.applications.assignments(service_principal_id=sp)
    assert {each.role_id for each in given} == {role.id}
    assert "Default Access and" not in visit.text(path)
    refused(visit.post(f"{path}/add", principal=ada, role=role.id), "exist")
    picked = {"csrf_token": token, "assignment": [each.id for each in given]}
    assert visit.client.post(f"{path}/remove", data=picked).status_code == 303
    assert house.stores.applications.assignments(service_principal_id=sp) == []
    refused(visit.post(f"{path}/remove"), "Nobody is picked")


# ---------------------------------------------------------------- provisioning


def test_get_started_leads_to_the_form_and_a_save_makes_the_job(house: House, visit: Visit, sp: str) -> None:
    path = f"/applications/{sp}/provisioning"
    assert "Get started" in visit.text(path)
    assert "Admin credentials" in visit.text(f"{path}?mode=automatic")
    answer = visit.post(path, **FORM)
    assert answer.headers["Location"] == f"{path}?said=saved"
    (job,) = house.stores.jobs.list(sp)
    assert job.schedule_state is ScheduleState.DISABLED
    secrets = house.stores.secrets.get(sp)
    assert secrets["SecretToken"] == GOOD_TOKEN
    assert json.loads(secrets["SyncNotificationSettings"]) == {
        "Enabled": True,
        "Recipients": "it@example.com",
        "DeleteThresholdEnabled": True,
        "DeleteThresholdValue": 50,
    }
    page = visit.text(path)
    assert GOOD_TOKEN not in page
    assert "Chosen once and for all" in page


def test_credentials_that_the_application_refuses_are_not_saved(house: House, visit: Visit, sp: str) -> None:
    path = f"/applications/{sp}/provisioning"
    refused(visit.post(path, **{**FORM, "secret": "wrong"}), "401")
    assert house.stores.jobs.list(sp) == []
    assert house.stores.secrets.get(sp) == {}
    tested = visit.post(f"{path}/test", **{**FORM, "secret": "wrong"})
    assert "admin permission" in tested.text
    assert "authorised to provision" in visit.post(f"{path}/test", **FORM).text
    assert "no Tenant URL" in visit.post(f"{path}/test", url="", secret="").text


def test_what_the_application_really_does_is_shown_below_the_test_of_kept_credentials(
    house: House, visit: Visit, sp: str
) -> None:
    path = f"/applications/{sp}/provisioning"
    assert "provisioning/examine" not in visit.post(f"{path}/test", **FORM).text, "nothing is kept yet"
    assert visit.post(path, **FORM).status_code == 303
    assert f"{path}/examine" in visit.post(f"{path}/test", **{**FORM, "secret": ""}).text
    house.examine = lambda _: {
        "grade": "B",
        "counts": {"passed": 40, "failed": 1, "skipped": 2},
        "probes": [
            {"verdict": "passed", "title": "GET /Users is a list"},
            {
                "verdict": "failed",
                "title": "userName eq finds exactly one",
                "weight": "essential",
                "source": "RFC 7644",
                "evidence": "HTTP 200, totalResults 7 <b>",
            },
        ],
        "dialect": {"can_list": False},
        "origins": {"can_list": "lists do not work"},
    }
    shown = visit.post(f"{path}/examine").text
    assert "Conformance B: 40 of 41 probes passed" in shown
    assert "totalResults 7 &lt;b&gt;" in shown
    assert "GET /Users is a list" not in shown
    assert "lists do not work" in shown

    def refuses(_: str) -> dict[str, object]:
        raise CredentialsRefused("It cannot be examined.")

    house.examine = refuses
    assert "It cannot be examined." in visit.post(f"{path}/examine").text


def test_provisioning_is_switched_on_and_off_by_its_status(house: House, visit: Visit, sp: str) -> None:
    path = f"/applications/{sp}/provisioning"
    assert visit.post(path, **{**FORM, "status": "on"}).headers["Location"] == f"/applications/{sp}?said=started"
    assert house.stores.jobs.list(sp)[0].schedule_state is ScheduleState.ACTIVE
    given = {**FORM, "secret": "", "status": "off", "interval": "5", "transitive": "on", "scope": "all"}
    assert visit.post(path, **given).status_code == 303
    (job,) = house.stores.jobs.list(sp)
    assert job.schedule_state is ScheduleState.PAUSED
    assert job.interval.total_seconds() == 300
    assert job.settings["TransitiveGroups"] == "true"
    secrets = house.stores.secrets.get(sp)
    assert (secrets["SecretToken"], secrets["SyncAll"]) == (GOOD_TOKEN, "true")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"threshold": "many"}, "The threshold of removals is a whole number"),
        ({"interval": "soon"}, "whole number of minutes"),
        ({"interval": "0"}, "from one minute"),
        ({"email": "", "sends_mail": "on"}, "Enter the address"),
        ({"email": "nobody"}, "e-mail addresses"),
        ({"url": "ftp://x"}, "must begin with https://"),
    ],
)
def test_a_setting_that_is_wrong_saves_nothing(
    house: House, visit: Visit, sp: str, given: dict[str, str], sentence: str
) -> None:
    refused(visit.post(f"/applications/{sp}/provisioning", **{**FORM, **given}), sentence)
    assert house.stores.secrets.get(sp) == {}
    assert house.stores.jobs.list(sp) == []


def test_a_saved_token_does_not_follow_the_url_to_another_server(house: House, visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/provisioning"
    refused(
        visit.post(path, **{**FORM, "secret": "", "url": "https://evil.example/scim"}), "enter the secret token again"
    )


# ---------------------------------------------------------------- mappings


def document_of(house: House, job: Started) -> dict[str, object]:
    return {
        item["targetAttributeName"]: item
        for item in house.stores.jobs.schema(job.id).document["synchronizationRules"][0]["objectMappings"][0][
            "attributeMappings"
        ]
    }


MAPPING = {"type": "Direct", "attribute": "city", "flow": "Always", "is_matching": "no", "default": ""}


@pytest.mark.parametrize(
    ("given", "expression"),
    [
        ({"type": "Direct", "attribute": "preferredLanguage"}, "[preferredLanguage]"),
        ({"type": "Constant", "constant": 'nl "NL"'}, '"nl \\"NL\\""'),
        ({"type": "Expression", "expression": "ToLower([preferredLanguage])"}, "ToLower([preferredLanguage])"),
        ({"type": "None", "default": "en-US"}, None),
    ],
)
def test_a_mapping_of_each_type_is_added_and_shown_again(
    house: House, visit: Visit, job: Started, given: dict[str, str], expression: str | None
) -> None:
    path = f"/applications/{job.sp}/mappings/0/attributes"
    assert visit.post(f"{path}/new", **{**MAPPING, "target": "locale", **given}).status_code == 303
    item: dict = document_of(house, job)["locale"]  # type: ignore[type-arg, assignment]  # plain JSON
    assert (item["source"] or {}).get("expression") == expression
    page = visit.text(f"{path}/locale")
    assert f'<option value="{given["type"]}" selected>' in page
    assert visit.post(f"{path}/locale/remove").status_code == 303
    assert "locale" not in document_of(house, job)


@pytest.mark.parametrize(
    ("target", "given", "sentence"),
    [
        ("new", {"target": ""}, "Choose the target attribute"),
        ("new", {"target": "locale", "attribute": ""}, "Choose the source attribute"),
        ("new", {"target": "locale", "type": "Constant"}, "Enter the constant value"),
        ("new", {"target": "locale", "type": "Expression", "expression": "Joi(1)"}, "Join"),
        ("new", {"target": "title"}, "has a mapping already"),
        ("new", {"target": "locale", "is_matching": "yes", "precedence": "1"}, "has the matching precedence 1 already"),
        ("new", {"target": "locale", "is_matching": "yes", "precedence": "x"}, "whole number from 1"),
        ("userName/remove", {}, "required by the application"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_and_the_form_comes_back(
    visit: Visit, job: Started, target: str, given: dict[str, str], sentence: str
) -> None:
    answer = visit.post(f"/applications/{job.sp}/mappings/0/attributes/{target}", **{**MAPPING, **given})
    refused(answer, sentence)
    assert 'id="mapping"' in answer.text


def test_unknown_fields_of_a_mapping_survive_its_edit(house: House, visit: Visit, job: Started) -> None:
    schema = json.loads(visit.text(f"/applications/{job.sp}/mappings/schema.json"))
    schema["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"][3]["note"] = "ours"
    visit.post(f"/applications/{job.sp}/mappings/schema", schema=json.dumps(schema), do="save")
    given = {**MAPPING, "target": "title", "flow": "ObjectAddOnly", "clears": "on"}
    assert visit.post(f"/applications/{job.sp}/mappings/0/attributes/title", **given).status_code == 303
    item: dict = document_of(house, job)["title"]  # type: ignore[type-arg, assignment]  # plain JSON
    assert (item["note"], item["flowType"], item["source"]["name"]) == ("ours", "ObjectAddOnly", "city")
    assert item["metadata"] == [{"key": "clearWhenNull", "value": "true"}]


def test_object_actions_are_set_one_by_one(house: House, visit: Visit, job: Started) -> None:
    answer = visit.post(f"/applications/{job.sp}/mappings/0", name="People", enabled="on", action_Add="on")
    assert answer.status_code == 303
    mapping = house.stores.jobs.schema(job.id).document["synchronizationRules"][0]["objectMappings"][0]
    assert (mapping["name"], mapping["flowTypes"]) == ("People", "Add")


def test_an_expression_is_tried_on_a_person(house: House, visit: Visit, job: Started) -> None:
    house.user("ada", givenName="Ada", surname="Long")
    path = f"/applications/{job.sp}/mappings/try"
    expression = 'Join(" ", [givenName], [surname])'
    assert "Ada Long" in visit.post(path, expression=expression, person="ada@example.com").text
    assert "Ada Long" in visit.post(path, expression=expression, person="Ada").text
    assert "can be read" in visit.post(path, expression=expression).text
    assert "does not exist" in visit.post(path, expression=expression, person="nobody").text
    assert "refusal" in visit.post(path, expression="Join(", person="Ada").text


# ---------------------------------------------------------------- scoping filters


def clause(operator: str, value: str = "", attribute: str = "department") -> dict[str, str]:
    return {"group-0": "Sales", "attribute-0-0": attribute, "operator-0-0": operator, "value-0-0": value}


def test_a_filter_counts_who_is_in_before_it_is_saved(
    house: House, visit: Visit, job: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, department in (("ada", "Sales"), ("bob", "Sales"), ("cy", "IT")):
        house.user(name, department=department)
    path = f"/applications/{job.sp}/mappings/0/scope"
    page = visit.post(path, **clause("EQUALS", "Sales"), do="").text
    assert "<b>2</b> pass" in page
    assert "<b>1</b> do not" in page
    assert "Cy Example" in page
    monkeypatch.setattr(mapping_edits, "LISTED", 1)
    first = visit.post(path, **clause("EQUALS", "Sales"), do="list:in").text
    assert ("Ada Example" in first, "Bob Example" in first, "Cy Example" in first) == (True, False, False)
    following = re.search(r'"(list:in:[^"]+)"', first)
    assert following is not None
    rest = visit.post(path, **clause("EQUALS", "Sales"), do=following.group(1)).text
    assert ("Bob Example" in rest, "hx-swap-oob" in rest) == (True, False)
    assert 'id="let-in" hx-swap-oob="true">In</p>' in first
    assert "Cy Example" in visit.post(path, **clause("EQUALS", "Sales"), do="list:out").text
    assert visit.post(path, **clause("EQUALS", "Sales"), do="list:out:x").status_code == 400
    assert house.stores.jobs.schema(job.id).version == "1"
    assert visit.post(path, **clause("EQUALS", "Sales"), do="save").status_code == 303
    scope = house.stores.jobs.schema(job.id).document["synchronizationRules"][0]["objectMappings"][0]["scope"]
    assert scope["groups"][0]["clauses"][0]["targetOperand"]["values"] == ["Sales"]
    assert "Sales" in visit.text(f"/applications/{job.sp}/mappings")


def test_clauses_and_filters_are_added_and_removed_without_saving(visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/mappings/0/scope"
    given = clause("IS NOT NULL")
    assert 'name="attribute-0-1"' in visit.post(path, **given, do="add-clause:0").text
    assert 'name="group-1"' in visit.post(path, **given, do="add-group").text
    assert "No scoping filter" in visit.post(path, **given, do="remove-clause:0-0").text
    assert "No scoping filter" in visit.post(path, **given, do="remove-group:0").text
    # A digit that is no number, too, stands for none of them: it was a fault of the service.
    for nowhere in (
        "remove-group:7",
        "remove-group:²",
        "remove-clause:0-²",
        "add-member:0-²:x",
        "add-clause:" + "9" * 5_000,
    ):
        assert 'name="group-0"' in visit.post(path, **given, do=nowhere).text
    # A count of what is typed that is sent while a button has the focus is a count, and presses it not.
    headers = {"HX-Request": "true", "HX-Target": "scope-count"}
    form = {"csrf_token": visit.token("/"), **given, "do": "remove-clause:0-0"}
    counted = visit.client.post(path, data=form, headers=headers).text
    assert ("<b>0</b> pass" in counted, "No scoping filter" in counted) == (True, False)


def test_groups_are_found_by_name_and_put_into_a_clause(house: House, visit: Visit, job: Started) -> None:
    ada, sales = house.user("ada")["id"], house.group("Sales & more")["id"]
    house.stores.directory.change_members(sales, add=[ada], remove=[])
    path = f"/applications/{job.sp}/mappings/0/scope"

    def asked(**fields: str) -> str:
        form = {"csrf_token": visit.token("/"), **fields}
        return visit.client.post(path, data=form, headers={"HX-Request": "true"}).text

    given = {**clause("EQUALS", attribute="memberOf"), "groups-0-0": "", "find-0-0": "sal"}
    offers = asked(do="find:0-0", **given)
    assert f'value="add-member:0-0:{sales}"' in offers and "Sales &amp; more" in offers
    assert "No group" in asked(do="find:0-0", **{**given, "find-0-0": "xyz"})
    assert asked(do="find:0-0", **{**given, "find-0-0": ""}).strip() == ""
    page = visit.post(path, **given, do=f"add-member:0-0:{sales}").text
    # Shown by its name, not by its id; an attribute that is asked for groups alone has the operator for them.
    assert ">Sales &amp; more</textarea>" in page and sales not in page
    assert '<option value="MEMBER_OF" data-takes="groups" selected' in page
    assert "<b>1</b> pass" in page
    visit.post(path, **given, do=f"add-member:0-7:{sales}")
    given = {**clause("NOT MEMBER_OF", attribute="memberOf"), "groups-0-0": "Sales & more\n"}
    assert "<b>0</b> pass" in visit.post(path, **given, do="").text
    assert visit.post(path, **given, do="save").status_code == 303
    scope = house.stores.jobs.schema(job.id).document["synchronizationRules"][0]["objectMappings"][0]["scope"]
    assert scope["groups"][0]["clauses"][0]["targetOperand"]["values"] == [sales]
    assert ">Sales &amp; more</textarea>" in visit.text(path)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({**clause("MEMBER_OF", attribute="memberOf"), "groups-0-0": "Nobodies"}, "asks for the group Nobodies"),
        ({**clause("MEMBER_OF"), "groups-0-0": "Nobodies"}, "memberOf"),
        (clause("Greater_Than", "many"), "no whole number"),
        (clause("REGEX MATCH", "("), "department"),
        (clause("NONSENSE", "x"), "NONSENSE"),
        ({**clause("EQUALS", "x"), "group-0": ""}, "needs a title"),
    ],
)
def test_a_filter_that_cannot_run_is_refused(visit: Visit, job: Started, given: dict[str, str], sentence: str) -> None:
    refused(visit.post(f"/applications/{job.sp}/mappings/0/scope", **given, do="save"), sentence)


# ---------------------------------------------------------------- attribute list, schema, versions


def test_an_attribute_of_any_urn_is_listed_changed_and_removed(visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/mappings/0/list"
    name = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:badge"
    given = {"name": name, "type": "String", "mutability": "ReadWrite", "caseExact": "on"}
    assert visit.post(path, **given, do="add").status_code == 303
    assert "Acme" in visit.text(path)
    refused(visit.post(path, **given, do="add"), "already")
    assert visit.post(path, **{**given, "type": "Integer"}, do="change").status_code == 303
    assert visit.post(path, **given, do="remove").status_code == 303
    refused(visit.post(path, **{**given, "name": "userName"}, do="remove"), "remove that attribute mapping first")


def test_the_schema_says_what_would_change_before_it_is_saved(house: House, visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/mappings/schema"
    text = visit.text(f"{path}.json")
    refused(visit.post(path, schema=text[:-4], do="save"), "That is no JSON")
    for wrong in (
        "9" * 5_000,
        "[" * 100_000,
        '{"a":' * 1_000 + "1" + "}" * 1_000,
        '{"directories":' + "[" * 900 + "]" * 900 + "}",
        '{"a": NaN}',
    ):
        assert visit.post(path, schema=wrong, do="save").status_code == 400
    changed = text.replace("[jobTitle]", "[department]")
    page = visit.post(path, schema=changed, do="check").text
    assert "What would change" in page
    assert "[department]" in page
    assert house.stores.jobs.schema(job.id).version == "1"
    assert visit.post(path, schema=changed, do="save").status_code == 303
    assert house.stores.jobs.schema(job.id).version == "2"
    versions = f"/applications/{job.sp}/mappings/versions"
    assert "In force" in visit.text(versions)
    assert "[department]" in visit.text(f"{versions}/2")
    assert visit.post(f"{versions}/1/restore").status_code == 303
    assert house.stores.jobs.schema(job.id).version == "3"
    assert visit.post(f"/applications/{job.sp}/mappings/reset").status_code == 303


# ---------------------------------------------------------------- who may


CHANGES = (
    ("properties", {"name": "x"}),
    ("roles/new", {"display_name": "x", "members_user": "on"}),
    ("manifest", {"manifest": "{}"}),
    ("users-and-groups/add", {"principal": "x", "role": DEFAULT_ACCESS}),
    ("users-and-groups/remove", {"assignment": "x"}),
    ("users-and-groups/awaited/remove", {"awaited": "x"}),
    ("provisioning", FORM),
    ("provisioning/test", FORM),
    ("provisioning/examine", {}),
    ("mappings/0", {"name": "x"}),
    ("mappings/0/attributes/new", {**MAPPING, "target": "locale"}),
    ("mappings/0/scope", {**clause("IS NOT NULL"), "do": "save"}),
    ("mappings/reset", {}),
    ("start", {}),
    ("pause", {}),
    ("restart", {"scope": "Watermark"}),
)


@pytest.mark.parametrize(("place", "given"), CHANGES, ids=[place for place, _ in CHANGES])
def test_a_reader_changes_nothing(house: House, job: Started, place: str, given: dict[str, str]) -> None:
    visit = Visit(house, Role.GLOBAL_READER)
    before = (house.stores.applications.get(job.sp), house.stores.jobs.list(job.sp), house.stores.secrets.get(job.sp))
    answer = visit.post(f"/applications/{job.sp}/{place}", **given)
    assert answer.status_code in (400, 403)
    assert "Insufficient privileges" in answer.text
    after = (house.stores.applications.get(job.sp), house.stores.jobs.list(job.sp), house.stores.secrets.get(job.sp))
    assert after == before


def test_a_restart_forgets_what_is_ticked(house: House, visit: Visit, job: Started) -> None:
    house.stores.jobs.set_watermark(job.id, 7)
    assert "Links" in visit.text(f"/applications/{job.sp}/restart")
    assert visit.post(f"/applications/{job.sp}/restart", scope="Escrows").status_code == 303
    assert house.stores.jobs.list(job.sp)[0].watermark == 7
    assert visit.post(f"/applications/{job.sp}/restart", scope="Watermark").status_code == 303
    assert house.stores.jobs.list(job.sp)[0].watermark is None


def test_the_palette_finds_pages_applications_and_people(house: House, visit: Visit, job: Started) -> None:
    house.user("ada")
    assert f"/applications/{job.sp}" in visit.text("/find?q=8x")
    assert "Ada Example" in visit.text("/find?q=ada")
    assert "New application" in visit.text("/find")
    assert "Nothing is called" in visit.text("/find?q=zzz")


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("8x8 map", "mappings"),
        ("safeg 8x8", "provisioning/safeguards"),
        ("8x8 reconc", "provisioning/accounts"),
        ("8x8 wire", "provisioning/requests"),
        ("8x8 credentials", "provisioning"),
        ("8x8 single", "single-sign-on"),
        ("8x8 manifest", "manifest"),
    ],
)
def test_the_palette_finds_a_page_of_an_application_by_both_names(
    visit: Visit, job: Started, asked: str, page: str
) -> None:
    found = visit.text(f"/find?q={asked}")
    assert f'href="/applications/{job.sp}/{page}"' in found
    assert found.count("<li>") == 1


def test_the_palette_begins_with_the_pages_of_the_application_it_was_opened_on(visit: Visit, job: Started) -> None:
    here = f"http://localhost/applications/{job.sp}/logs"
    found = visit.get("/find", HX_Current_URL=here).text
    assert found.index(f"/applications/{job.sp}/provisioning/safeguards") < found.index("/notifications")
    assert "safeguards" in visit.get("/find?q=safe", HX_Current_URL=here).text
    assert "safeguards" not in visit.text("/find?q=safe")


def test_the_keys_are_listed(visit: Visit) -> None:
    assert all(f"<kbd>{key}</kbd>" in visit.text("/") for key in "/jkneg?")


def test_templates_hold_no_inline_code() -> None:
    folder = Path(__file__).parents[2] / "src" / "muster"
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<script(?![^>]*src=)|hx-on|hx-vals='js", text), path
