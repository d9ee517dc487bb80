"""`muster config`: what is exported and applied elsewhere is the same there; nothing is half applied."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from muster.bootstrap.house import open_house
from muster.model.directory import ObjectKind
from muster.ports.directory import DirectoryQuery, ObjectWrite
from muster.settings import load_settings
from played_commands import Done, command

PEOPLE = """userPrincipalName,displayName,mail,department
ada@l.example,Ada Long,ada@l.example,Sales
ben@l.example,Ben Short,ben@l.example,Operations
cleo@l.example,Cleo Wide,cleo@l.example,Sales
"""

FILE = """\
# Kept by the identity team
version: 1
applications:
  - name: Phones   # as in the contract
    template: 8x8
    defaultAccessEntitles: true
    roles:
      - {name: User, value: User}
      - {name: Lead, value: Lead, description: Leads}
    assignments:
      - users:   # everybody in sales
          - {attribute: department, operator: EQUALS, values: [Sales]}
        role: Lead
      - user: ben@l.example
    scope: assigned
    skipOutOfScopeDeletions: true
    notifications: {recipients: [it@l.example]}
    deletionThreshold: 7
    dialect: {page_size: 50}
    credentials:
      BaseAddress: https://phones.example/scim
      SecretToken: env:PHONES_TOKEN   # from the vault
    singleSignOn:
      enabled: true
      identifier: https://phones.example/saml2
      replyUrls: [https://phones.example/saml2, https://phones.example/acs]
      relayState: start
      nameId: ToLower([userPrincipalName])
      nameIdFormat: urn:oasis:names:tc:SAML:2.0:nameid-format:persistent
      claims: {mail: '[mail]'}
      signingOption: responseAndAssertion
      notificationEmailAddresses: [it@l.example]
    openIdConnect:
      enabled: true
      redirectUris: [https://phones.example/callback]
      requiresPkce: true
      claims:
        email: {expression: '[mail]', scope: email}
        department: '[department]'
    jobs:
      - status: running
        interval: PT10M
        settings: {DefaultDomain: l.example}
        mappings:
          - name: Provision Users
            source: User
            target: urn:ietf:params:scim:schemas:extension:enterprise:2.0:User
            actions: [Add, Update]
            scope:
              - name: Has mail
                clauses: [{attribute: mail, operator: IS NOT NULL}]
            attributes:
              userName: {expression: '[userPrincipalName]', matching: 1}
              active: Not([IsSoftDeleted])
              emails[type eq "work"].value: '[mail]'
              name.givenName: {expression: '[givenName]', default: '-'}
              name.familyName: '[surname]'
              title: {expression: '[jobTitle]', clearWhenNull: true}
              urn:x:badge: '[employeeId]'
        attributes:
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:
            - {name: urn:x:badge, caseExact: true}
"""


# Each list holds the one before it nine times.
BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 8))


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHONES_TOKEN", "s3cret")
    monkeypatch.setenv("MUSTER_PHONES_SECRETTOKEN", "s3cret")
    return _installation(tmp_path / "one")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "muster.yaml"
    path.write_text(FILE)
    return path


def _installation(folder: Path) -> Path:
    open_house(load_settings(data=folder), folder).database.close()
    people = folder / "people.csv"
    people.write_text(PEOPLE)
    assert command("import", people, "--data", folder).status == 0
    return folder


def _config(verb: str, *arguments: object, data: Path) -> Done:
    return command("config", verb, *arguments, "--data", data)


def _differences(file: Path, data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _config("plan", file, "--json", data=data).json["differences"]
    return found


def test_a_file_is_applied_and_then_nothing_differs(installation: Path, file: Path) -> None:
    planned = _config("plan", file, "--json", data=installation).json
    assert {item["path"] for item in planned["differences"]} > {
        "applications[Phones].assignments.ada@l.example as Lead",
        "applications[Phones].assignments.ben@l.example as Default Access",
    }
    assert _config("plan", file, "--json", data=installation).json == planned, "a plan changes nothing"
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _differences(file, installation) == []
    assert "as the file says" in _config("plan", file, "--check", data=installation).out


def test_an_export_applied_to_an_empty_installation_gives_the_same_export(
    installation: Path, file: Path, tmp_path: Path
) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    exported = _config("export", data=installation).out
    assert "s3cret" not in exported
    copy = tmp_path / "copy.yaml"
    copy.write_text(exported)
    other = _installation(tmp_path / "two")
    assert _config("apply", copy, "--yes", data=other).status == 0
    assert _config("export", data=other).out == exported
    assert _differences(copy, other) == []


def test_who_is_not_there_yet_is_waited_for_and_assigned_on_coming(
    installation: Path, file: Path, tmp_path: Path
) -> None:
    """An installation that has nobody gives the same export; each is assigned as soon as the directory has them."""
    named = FILE[: FILE.index("      - users:")] + FILE[FILE.index("      - user: ben") :]
    file.write_text(named.replace("- user: ben@l.example", "- {user: Ben@l.example, role: User}\n      - group: Sales"))
    empty = tmp_path / "empty"
    open_house(load_settings(data=empty), empty).database.close()
    told = " ".join(_config("plan", file, data=empty).out.split())
    assert "user Ben@l.example is not in the directory yet, and will be User once there" in told
    assert "group Sales is not in the directory yet" in told
    assert _config("apply", file, "--yes", data=empty).status == 0
    exported = _config("export", data=empty).out
    assert "user: Ben@l.example" in exported
    assert "group: Sales" in exported
    assert "as the file says" in _config("plan", file, "--check", data=empty).out
    copy = tmp_path / "copy.yaml"
    copy.write_text(exported)
    other = tmp_path / "other"
    open_house(load_settings(data=other), other).database.close()
    assert _config("apply", copy, "--yes", data=other).status == 0
    assert _config("export", data=other).out == exported
    assert _differences(copy, other) == []
    # They come.
    people = other / "people.csv"
    people.write_text(PEOPLE)
    assert command("import", people, "--data", other).status == 0
    assert _config("export", data=other).out == exported.replace("Ben@l.example", "ben@l.example")
    house = open_house(load_settings(data=other), other)
    try:
        sp = next(each for each in house.store.applications.list() if each.display_name == "Phones")
        given = house.store.applications.assignments(service_principal_id=sp.service_principal_id)
        assert [each.principal_display_name for each in given] == ["Ben Short"]
        assert [each.name for each in house.store.applications.awaited(sp.service_principal_id)] == ["Sales"]
        entries, _ = house.store.audit.search(after=None, limit=3)
        added = next(entry for entry in entries if entry.activity == "Add app role assignment grant")
        assert (added.changes, added.by.display_name) == ((("User Ben@l.example", None, "User"),), "operator")
    finally:
        house.database.close()
    # Nobody is waited for any more than the file says.
    copy.write_text(exported.replace("      - group: Sales\n", ""))
    assert _config("apply", copy, "--yes", data=other).status == 0
    assert "Sales" not in _config("export", data=other).out


def test_single_sign_on_is_planned_part_by_part_and_null_takes_away(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    changed = FILE.replace("relayState: start", "relayState: null").replace("{mail: '[mail]'}", "{mail: '[surname]'}")
    file.write_text(changed.replace("requiresPkce: true", "requiresPkce: false"))
    assert {item["path"]: (item["oldValue"], item["newValue"]) for item in _differences(file, installation)} == {
        "applications[Phones].singleSignOn.relayState": ("start", None),
        "applications[Phones].singleSignOn.claims.mail": ("[mail]", "[surname]"),
        "applications[Phones].openIdConnect.requiresPkce": ("true", "false"),
    }
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _differences(file, installation) == []
    # What a file does not name stays.
    begin, end = changed.index("    singleSignOn:"), changed.index("    jobs:")
    file.write_text(changed[:begin] + changed[end:])
    assert _differences(file, installation) == []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        (
            "https://phones.example/acs",
            "http://phones.example/acs",
            "replyUrls takes an address that begins with https",
        ),
        ("nameId: ToLower([userPrincipalName])", "nameId: ToLower(", "nameIdExpression"),
        ("responseAndAssertion", "everything", "'assertion', 'response' or 'responseAndAssertion'"),
        ("https://phones.example/callback", "javascript:alert(1)", "redirectUris takes addresses"),
        ("requiresPkce", "requirePkce", "There is no such key here"),
    ],
)
def test_single_sign_on_that_cannot_be_is_refused_with_its_line(
    installation: Path, file: Path, right: str, wrong: str, told: str
) -> None:
    file.write_text(FILE.replace(right, wrong, 1))
    refused = _config("plan", file, data=installation)
    assert refused.status == 1
    assert told in refused.err
    assert f"{file.name}:" in refused.err


def test_an_export_has_what_is_not_there_though_its_template_suggests_it(installation: Path, tmp_path: Path) -> None:
    file = tmp_path / "sign-on.yaml"
    file.write_text(
        "version: 1\napplications:\n  - name: Phones\n    template: 8x8\n"
        "    singleSignOn: {enabled: false, signOnUrl: null}\n"
    )
    assert _config("apply", file, "--yes", data=installation).status == 0
    exported = _config("export", data=installation).out
    assert "signOnUrl:\n" in exported
    copy = tmp_path / "copy.yaml"
    copy.write_text(exported)
    other = _installation(tmp_path / "two")
    assert _config("apply", copy, "--yes", data=other).status == 0
    assert _config("export", data=other).out == exported
    assert _differences(copy, other) == []


def test_a_role_that_is_off_is_given_to_those_the_file_names_and_stays_off(installation: Path, tmp_path: Path) -> None:
    file = tmp_path / "off.yaml"
    file.write_text(
        "version: 1\napplications:\n  - name: Phones\n    template: 8x8\n"
        "    roles:\n      - {name: Held, enabled: false}\n      - {name: Programs, for: [Application]}\n"
        "    assignments:\n      - {user: ada@l.example, role: Held}\n      - {user: zoe@l.example, role: Held}\n"
    )
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert "as the file says" in _config("plan", file, "--check", data=installation).out
    exported = _config("export", data=installation).out
    (installation / "people.csv").write_text(f"{PEOPLE}zoe@l.example,Zoe,zoe@l.example,Sales\n")
    assert command("import", installation / "people.csv", "--data", installation).status == 0
    assert _config("export", data=installation).out == exported
    differences = _differences(file, installation)
    assert differences == []
    file.write_text(file.read_text().replace("zoe@l.example, role: Held", "max@l.example, role: Programs"))
    refused = _config("plan", file, data=installation)
    assert "The role Programs is not for users and groups." in refused.err
    file.write_text(file.read_text().replace("max@l.example, role: Programs", "' max@l.example'"))
    assert "without blanks around" in _config("plan", file, data=installation).err


def test_rules_that_mappings_cannot_say_are_kept_as_a_whole_schema(
    installation: Path, file: Path, tmp_path: Path
) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    document = json.loads(_config("export", "--json", data=installation).out)
    house = open_house(load_settings(data=installation), installation)
    job = next(job for job in house.store.jobs.list() if job.template_id == "8x8")
    rules = dict(house.store.jobs.schema(job.id).document)
    rules["synchronizationRules"][0]["objectMappings"][0]["ours"] = {"kept": True}
    house.database.close()
    rules.pop("id")
    document["applications"][0]["jobs"][0] = {"schema": rules}
    whole = tmp_path / "whole.yaml"
    whole.write_text(json.dumps(document))
    assert _config("apply", whole, "--yes", data=installation).status == 0
    exported = json.loads(_config("export", "--json", data=installation).out)
    mapping = exported["applications"][0]["jobs"][0]["schema"]["synchronizationRules"][0]["objectMappings"][0]
    assert mapping["ours"] == {"kept": True}
    assert _differences(whole, installation) == []


def test_an_export_over_a_file_keeps_what_has_not_changed_with_its_comments(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _config("export", file, data=installation).status == 0
    unchanged = file.read_text()
    for comment in ("# Kept by the identity team", "# as in the contract", "# everybody in sales", "# from the vault"):
        assert comment in unchanged
    file.write_text(unchanged.replace("deletionThreshold: 7", "deletionThreshold: 9"))
    assert _config("apply", file, "--yes", data=installation).status == 0
    file.write_text(unchanged)
    assert _config("export", file, data=installation).status == 0
    assert file.read_text() == unchanged.replace("deletionThreshold: 7", "deletionThreshold: 9")


def test_nothing_of_a_file_is_applied_when_a_part_of_it_cannot_be(installation: Path, file: Path) -> None:
    wrong = FILE.replace("user: ben@l.example", "user: nobody").replace("'[jobTitle]'", "'Len('")
    file.write_text(wrong.replace("role: Lead", "role: Leader"))
    done = _config("apply", file, "--yes", data=installation)
    assert done.status == 1
    lines = file.read_text().splitlines()
    line = {
        what: next(number for number, text in enumerate(lines, 1) if what in text)
        for what in ("nobody", "Len(", "role: Leader")
    }
    assert f"muster.yaml:{line['Len(']}:15 (applications/0/jobs/0/mappings/0/attributes/title)" in done.err
    assert (
        f"muster.yaml:{line['nobody']}:9 (applications/0/assignments/1): “nobody” is no user principal name" in done.err
    )
    role = f"muster.yaml:{line['role: Leader']}:9 (applications/0/assignments/0/role)"
    assert f"{role}: There is no such role; there are Default Access, User, Lead." in done.err
    assert "nothing was changed" in done.err
    assert json.loads(_config("export", "--json", data=installation).out) == {"version": 1}
    house = open_house(load_settings(data=installation), installation)
    entries, _ = house.store.audit.search(after=None, limit=50)
    assert [entry.target_name for entry in entries] == ["people.csv"]
    house.database.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\napplications: [", "muster.yaml:2:16: expected the node content"),
        ("- a", "holds no configuration"),
        ("version: 1\nversion: 1\n", "muster.yaml:2:1: found duplicate key"),
        ("version: 1\napplications:\n  - name: A\n    template: 8x8\n    rolls: 1\n", "muster.yaml:5:5"),
        (BOMB, "unfolds to more than"),
        ("version: 1\napplications: !!python/object/apply:os.system [ls]\n", "uses the tag"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(
    installation: Path, file: Path, text: str, said: str
) -> None:
    file.write_text(text)
    done = _config("plan", file, data=installation)
    assert done.status == 1
    assert said in done.err


def test_a_secret_in_the_file_is_refused_and_not_repeated(installation: Path, file: Path) -> None:
    file.write_text(FILE.replace("env:PHONES_TOKEN", "hunter2"))
    done = _config("plan", file, data=installation)
    assert done.status == 1
    assert "(applications/0/credentials/SecretToken): A secret does not stand in the file" in done.err
    assert "hunter2" not in done.err + done.out


def test_a_secret_comes_from_a_file_beside_the_configuration(installation: Path, file: Path) -> None:
    file.write_text(FILE.replace("env:PHONES_TOKEN", "file:token.txt"))
    (file.parent / "token.txt").write_text("from-a-file\n")
    assert _config("apply", file, "--yes", data=installation).status == 0
    house = open_house(load_settings(data=installation), installation)
    application = next(each for each in house.store.applications.list() if each.display_name == "Phones")
    assert house.store.secrets.get(application.service_principal_id)["SecretToken"] == "from-a-file"
    house.database.close()


def test_a_reference_that_cannot_be_followed_stops_an_apply_and_not_a_plan(
    installation: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    monkeypatch.setenv("PHONES_TOKEN", "another")
    shown = _differences(file, installation)
    assert [item["path"] for item in shown] == ["applications[Phones].credentials.SecretToken (value)"]
    assert "another" not in json.dumps(shown)
    monkeypatch.delenv("PHONES_TOKEN")
    planned = _config("plan", file, data=installation)
    assert (planned.status, "PHONES_TOKEN is not set" in planned.err) == (0, True)
    assert _config("apply", file, "--yes", data=installation).status == 1


def test_who_and_which_role_is_taken_away_is_planned_and_done(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    yaml = YAML()
    tree = yaml.load(file.read_text())
    tree["applications"][0]["assignments"] = [{"user": "ada@l.example", "role": "User"}]
    tree["applications"][0]["roles"] = [{"name": "User", "value": "User"}]
    with file.open("w") as stream:
        yaml.dump(tree, stream)
    planned = _config("plan", file, "--check", "--json", data=installation)
    assert planned.status == 1
    changes = {item["path"]: item["newValue"] for item in planned.json["differences"]}
    assert changes["applications[Phones].assignments.cleo@l.example as Lead"] is None
    assert changes["applications[Phones].roles.Lead"] is None
    assert _config("apply", file, "--yes", data=installation).status == 0
    exported = json.loads(_config("export", "--json", data=installation).out)["applications"][0]
    assert exported["assignments"] == [{"user": "ada@l.example", "role": "User"}]
    assert [role["name"] for role in exported["roles"]] == ["User"]


def test_a_plan_names_each_thing_that_changes(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    file.write_text(FILE.replace("PT10M", "PT20M").replace("'[jobTitle]'", "'ToUpper([jobTitle])'"))
    changed = {item["path"]: (item["oldValue"], item["newValue"]) for item in _differences(file, installation)}
    job = "applications[Phones].jobs.1"
    assert changed == {
        f"{job}.interval": ("PT10M", "PT20M"),
        f"{job}.mappings.Provision Users.attributes.title.expression": ("[jobTitle]", "ToUpper([jobTitle])"),
    }


def test_what_was_asked_for_once_is_no_configuration(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    house = open_house(load_settings(data=installation), installation)
    job = next(job for job in house.store.jobs.list() if job.template_id == "8x8")
    house.store.jobs.set_settings(job.id, {"WireLogUntil": "2999-01-01T00:00:00Z", "ForceDeletes": "true"})
    house.database.close()
    exported = json.loads(_config("export", "--json", data=installation).out)
    assert exported["applications"][0]["jobs"][0]["settings"] == {"DefaultDomain": "l.example"}


def test_an_export_that_cannot_be_written_is_said_in_a_sentence(installation: Path, tmp_path: Path) -> None:
    done = _config("export", tmp_path / "nowhere" / "x.yaml", data=installation)
    assert (done.status, "cannot be written: No such file or directory" in done.err) == (1, True)


def test_an_export_says_which_secrets_are_to_be_given_and_where(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    exported = _config("export", file.with_name("new.yaml"), data=installation)
    assert "set MUSTER_PHONES_SECRETTOKEN" in exported.out


def test_a_plan_says_what_other_rules_mean_for_people(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _config("plan", file, "--json", data=installation).json["consequences"] == []
    file.write_text(FILE.replace("operator: IS NOT NULL", "operator: IS NULL").replace("scope: assigned", "scope: all"))
    planned = _config("plan", file, "--json", data=installation).json
    (found,) = planned["consequences"]
    assert (found["application"], found["considered"], found["affected"]) == ("Phones", 3, 3)
    assert {each["transition"] for each in found["objects"]} == {"leavesScope"}
    shown = _config("plan", file, data=installation).out
    assert f"Phones: {found['sentence']}, of 3." in shown


def test_other_rules_are_tried_with_the_assignments_of_the_file(
    installation: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    before = _config("export", data=installation).out
    given = FILE[FILE.index("      - users:   # everybody") : FILE.index("      - user: ben")]
    file.write_text(FILE.replace(given, "").replace("operator: IS NOT NULL", "operator: IS NULL"))
    (found,) = _config("plan", file, "--json", data=installation).json["consequences"]
    assert {each["sourceName"]: each["transition"] for each in found["objects"]} == {"Ben Short": "leavesScope"}
    assert _config("export", data=installation).out == before, "nothing of it is kept"
    # Of so many that others would wait, they are tried as they are assigned today.
    monkeypatch.setattr("muster.administration.configuration.apply.TRIED_WITHIN", 2)
    (found,) = _config("plan", file, "--json", data=installation).json["consequences"]
    assert {each["sourceName"] for each in found["objects"]} == {"Ada Long", "Ben Short", "Cleo Wide"}
    monkeypatch.undo()
    monkeypatch.setenv("PHONES_TOKEN", "s3cret")
    file.write_text(FILE.replace(given, "").replace("scope: assigned", "scope: all"))
    (found,) = _config("plan", file, "--json", data=installation).json["consequences"]
    assert {each["transition"] for each in found["objects"]} == {"entersScope"}
    assert {each["sourceName"] for each in found["objects"]} == {"Ada Long", "Cleo Wide"}


def test_a_plan_shows_a_secret_under_the_reference_that_the_file_has(installation: Path, file: Path) -> None:
    path = "applications[Phones].credentials"
    planned = {each["path"]: each["newValue"] for each in _differences(file, installation)}
    told = json.dumps(planned)
    assert any(each.startswith(path) for each in planned)
    assert "env:PHONES_TOKEN" in told and "MUSTER_PHONES" not in told
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _differences(file, installation) == []


def test_a_group_counts_as_its_job_counts_it(installation: Path, file: Path) -> None:
    house = open_house(load_settings(data=installation), installation)
    found = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER)).objects
    _put_within(house, "Outer", [each.object_id for each in found])
    house.database.close()
    text = FILE.replace("      - user: ben@l.example\n", "      - group: Outer\n")
    file.write_text(text)
    told = [each["sentence"] for each in _config("plan", file, "--json", data=installation).json["assigned"]]
    assert any(each.startswith("group Outer, 0 people, is assigned as") for each in told)
    file.write_text(text.replace("DefaultDomain: l.example", 'DefaultDomain: l.example, TransitiveGroups: "true"'))
    told = [each["sentence"] for each in _config("plan", file, "--json", data=installation).json["assigned"]]
    assert any(each.startswith("group Outer, 3 people, is assigned as") for each in told)


def _put_within(house: Any, outer: str, people: Sequence[str]) -> None:
    """Makes a group with a group of these people within."""
    directory = house.store.directory
    made = {}
    for name in ("Inner", outer):
        attributes = {"displayName": name, "securityEnabled": True}
        write = ObjectWrite(kind=ObjectKind.GROUP, object_id=None, attributes=attributes, is_new=True)
        group: Any = directory.write([write], house.clock.now())[0]
        made[name] = group.object_id
    directory.change_members(made["Inner"], add=people, remove=[])
    directory.change_members(made[outer], add=[made["Inner"]], remove=[])


def _by_groups(installation: Path) -> Any:
    """Puts Cleo into a group within the group R1; returns the open installation."""
    house = open_house(load_settings(data=installation), installation)
    (cleo,) = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER, search="Cleo", limit=1)).objects
    _put_within(house, "R1", [cleo.object_id])
    return house


@pytest.mark.parametrize("scope", ["assigned", "all"])
def test_a_plan_says_whom_groups_within_groups_bring_in_or_put_out(
    installation: Path, file: Path, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _by_groups(installation).database.close()
    deep = (
        FILE.replace(
            "{attribute: mail, operator: IS NOT NULL}", "{attribute: memberOf, operator: MEMBER_OF, values: [R1]}"
        )
        .replace("DefaultDomain: l.example", 'DefaultDomain: l.example, TransitiveGroups: "true"')
        .replace("scope: assigned", f"scope: {scope}")
    )
    flat = deep.replace('TransitiveGroups: "true"', 'TransitiveGroups: "false"')

    def told(text: str) -> list[tuple[str, str]]:
        file.write_text(text)
        found = _config("plan", file, "--json", data=installation).json["consequences"]
        return [(each["sourceName"], each["transition"]) for one in found for each in one["objects"]]

    file.write_text(deep)
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert told(deep) == []
    assert told(flat) == [("Cleo Wide", "leavesScope")]
    # Of so many that they are tried after the transaction.
    monkeypatch.setattr("muster.administration.configuration.apply.TRIED_WITHIN", 0)
    assert told(flat) == [("Cleo Wide", "leavesScope")]
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert told(deep) == [("Cleo Wide", "entersScope")]
    monkeypatch.undo()
    monkeypatch.setenv("PHONES_TOKEN", "s3cret")
    assert told(deep) == [("Cleo Wide", "entersScope")]


def test_a_plan_says_for_whom_default_access_is_no_longer_enough(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    file.write_text(
        FILE.replace("defaultAccessEntitles: true", "defaultAccessEntitles: false").replace(
            "operator: IS NOT NULL", "operator: EQUALS, values: [ada@l.example]"
        )
    )
    (found,) = _config("plan", file, "--json", data=installation).json["consequences"]
    assert {each["sourceName"]: each["reason"] for each in found["objects"]}.keys() == {"Ben Short", "Cleo Wide"}
    file.write_text(
        FILE.replace("defaultAccessEntitles: true", "defaultAccessEntitles: false").replace("PT10M", "PT20M")
    )
    (found,) = _config("plan", file, "--json", data=installation).json["consequences"]
    assert [(each["sourceName"], each["transition"]) for each in found["objects"]] == [("Ben Short", "leavesScope")]


def test_a_setting_that_is_misspelt_is_told_with_its_line(installation: Path, file: Path) -> None:
    file.write_text(FILE.replace("DefaultDomain", "DefaultDomian"))
    refused = _config("plan", file, data=installation)
    assert refused.status == 1
    assert "There is no setting DefaultDomian. Did you mean DefaultDomain?" in refused.err


def test_a_plan_says_how_many_people_an_assignment_gives_or_takes(installation: Path, file: Path) -> None:
    first = _config("plan", file, "--json", data=installation).json
    assert {each["sentence"] for each in first["assigned"]} == {
        "2 people are assigned as Lead, by name or by a rule",
        "1 person is assigned as Default Access, by name or by a rule",
    }
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _config("plan", file, "--json", data=installation).json["assigned"] == []
    everybody, given = FILE.index("    assignments:"), FILE.index("    scope: assigned")
    fewer = FILE[:everybody] + "    assignments: []\n" + FILE[given:]
    file.write_text(fewer.replace("defaultAccessEntitles: true", "defaultAccessEntitles: false"))
    planned = _config("plan", file, "--json", data=installation).json
    assert any("no longer assigned as" in each["sentence"] for each in planned["assigned"])
    assert any("Default Access entitles" in each["sentence"] for each in planned["assigned"])
    assert planned["consequences"] == []
    shown = _config("plan", file, data=installation).out
    assert f"Phones: {planned['assigned'][0]['sentence']}." in shown
    assert "othing changes" not in shown


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("interval: PT10M", "interval: 40min", "It must be a duration as ISO 8601 writes it: PT40M"),
        ("template: 8x8", "template: 9x9", "Application template “9x9” does not exist"),
        ("deletionThreshold: 7", "deletionThreshold: many", "A threshold is a whole number from 0, or off."),
        ("deletionThreshold: 7", "deletionThreshold: -1", "A threshold is a whole number from 0, or off."),
    ],
)
def test_what_is_wrong_is_told_with_its_line(installation: Path, file: Path, right: str, wrong: str, told: str) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    file.write_text(FILE.replace(right, wrong))
    line = FILE[: FILE.index(right)].count("\n") + 1
    refused = _config("plan", file, data=installation)
    assert refused.status == 1
    assert f"{file.name}:{line}:" in refused.err and told in refused.err


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(installation: Path, file: Path) -> None:
    file.write_text(FILE.replace("interval: PT10M", "intervall: PT10M").replace("role: Lead", "role: Leader"))
    refused = _config("plan", file, data=installation)
    lines = [line for line in refused.err.splitlines() if f"{file.name}:" in line]
    assert ["no such role" in lines[0], "no such key" in lines[1], len(lines[2:])] == [True, True, 0], refused.err


def test_a_threshold_alone_says_nothing_of_notifications(installation: Path, file: Path) -> None:
    text = "\n".join(("version: 1", "applications:", "  - {name: Bare, template: 8x8, deletionThreshold: 7}", ""))
    file.write_text(text)
    places = [each["path"] for each in _config("plan", file, "--json", data=installation).json["differences"]]
    assert any(place.endswith("deletionThreshold") for place in places)
    assert not any("notifications" in place for place in places)


def test_an_application_that_the_file_does_not_name_is_left_and_named(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    other = FILE.replace("name: Phones", "name: Other").replace("example/saml2\n", "example/other\n")
    file.write_text(other.replace("status: running", "status: stopped"))
    assert _config("plan", file, "--json", data=installation).json["unnamed"] == ["Phones"]
    assert _config("apply", file, "--yes", data=installation).status == 0
    names = [each["name"] for each in json.loads(_config("export", "--json", data=installation).out)["applications"]]
    assert names == ["Other", "Phones"]
    only = json.loads(_config("export", "--app", "Other", "--json", data=installation).out)
    assert [each["name"] for each in only["applications"]] == ["Other"]


def test_two_applications_of_one_name_are_named_instead_of_exported(installation: Path, file: Path) -> None:
    assert _config("apply", file, "--yes", data=installation).status == 0
    house = open_house(load_settings(data=installation), installation)
    application = next(each for each in house.store.applications.list() if each.display_name == "Phones")
    ids = {name: house.ids.new_id() for name in ("service_principal_id", "application_id", "app_id")}
    house.store.applications.add(replace(application, **ids))
    house.database.close()
    for done in (_config("export", data=installation), _config("plan", file, data=installation)):
        assert (done.status, "2 applications are called Phones" in done.err) == (1, True)
    other = FILE.replace("name: Phones", "name: Other").replace("example/saml2\n", "example/other\n")
    file.write_text(other)
    assert _config("plan", file, "--json", data=installation).json["unnamed"] == ["Phones", "Phones"]


def test_the_schema_for_editors_is_printed(installation: Path) -> None:
    assert json.loads(_config("schema", data=installation).out)["title"] == "Muster configuration"


CLIENTS = """\
version: 1
applications:
  - name: SCIM clients
    template: SCIM clients
    notifications: {recipients: [it@l.example]}
    deletionThreshold: 7
    jobs:
      - settings: {ProtectedUsers: "ada@*", RemovalShareThreshold: 10%}
"""


def test_what_scim_clients_may_take_away_is_configured_before_one_has_written(
    installation: Path, file: Path, tmp_path: Path
) -> None:
    assert json.loads(_config("export", "--json", data=installation).out).get("applications") is None
    file.write_text(CLIENTS)
    assert {each["path"].removeprefix("applications[SCIM clients].") for each in _differences(file, installation)} >= {
        "deletionThreshold",
        "notifications",
    }
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert _differences(file, installation) == []
    exported = _config("export", data=installation).out
    assert YAML(typ="safe").load(exported) == YAML(typ="safe").load(CLIENTS)
    other, copy = _installation(tmp_path / "two"), tmp_path / "copy.yaml"
    copy.write_text(exported)
    assert _config("apply", copy, "--yes", data=other).status == 0
    assert _config("export", data=other).out == exported
    copy.write_text("version: 1\napplications: []\n")
    assert _config("plan", copy, "--json", data=other).json["unnamed"] == ["SCIM clients"]


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("    deletionThreshold: 7", "    scope: all", "applications/0/scope): SCIM clients belongs to"),
        ("template: SCIM clients", "template: 8x8", "applications/0/template): SCIM clients belongs to"),
        ("      - settings", "      - status: running\n        settings", "jobs/0/status): SCIM clients belongs to"),
        ("ProtectedUsers", "ReadEvery", "jobs/0/settings): There is no safeguard ReadEvery"),
        ("10%", "much", "jobs/0/settings): RemovalShareThreshold"),
    ],
)
def test_a_file_says_no_more_of_scim_clients_than_what_they_may_take_away(
    installation: Path, file: Path, right: str, wrong: str, told: str
) -> None:
    file.write_text(CLIENTS.replace(right, wrong))
    done = _config("apply", file, "--yes", data=installation)
    assert done.status == 1 and told in done.err
    assert json.loads(_config("export", "--json", data=installation).out).get("applications") is None


def test_a_source_comes_with_its_job_and_its_export_gives_it_again(
    installation: Path, file: Path, tmp_path: Path
) -> None:
    source = "  - {name: HR, template: folder, deletionThreshold: 5, credentials: {Server: hr}}"
    file.write_text(f"version: 1\napplications:\n{source}\n")
    (installation / "hr").mkdir()
    assert _config("apply", file, "--yes", data=installation).status == 0
    assert [each["displayName"] for each in command("source", "list", "--json", "--data", installation).json] == ["HR"]
    exported, copy = _config("export", data=installation).out, tmp_path / "copy.yaml"
    copy.write_text(exported)
    other = _installation(tmp_path / "two")
    (other / "hr").mkdir()
    assert _config("apply", copy, "--yes", data=other).status == 0
    assert _config("export", data=other).out == exported and _differences(copy, other) == []
