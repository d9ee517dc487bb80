"""What a change of rules would do is said before it is saved, in every place where rules are changed."""

import html
import json
import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from faces.house import House, Started
from faces.portal_visit import Visit
from muster.administration.refusals import RefusalKind, Refused
from muster.model.directory import ObjectKind
from muster.model.operation import AttributeChange, OperationKind, Verb
from muster.model.roles import Role
from muster.model.whatif import Affected, OtherScope, Transition, WhatIf, WhatIfLine

HOSTILE = "<script>alert('x')</script>\"'&"
TITLE = {"type": "Constant", "constant": "Colleague", "target": "title", "flow": "Always"}


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


def review(visit: Visit, path: str, **fields: str) -> TestResponse:
    data = {"csrf_token": visit.token("/"), "do": "review", **fields}
    return visit.client.post(path, data=data, headers={"HX-Request": "true"})


@pytest.mark.parametrize(
    ("place", "given"),
    [
        ("mappings/0/attributes/title", TITLE),
        ("mappings/0/attributes/new", {**TITLE, "target": "locale"}),
        ("mappings/0/attributes/title/remove", {}),
        ("mappings/0", {"name": "Users", "enabled": "on", "action_Add": "on"}),
        (
            "mappings/0/scope",
            {"group-0": "London", "attribute-0-0": "city", "operator-0-0": "EQUALS", "value-0-0": "London"},
        ),
        ("mappings/reset", {}),
        ("mappings/versions/1/restore", {}),
    ],
)
def test_a_change_of_rules_says_what_it_would_do_and_saves_nothing(
    house: House, visit: Visit, job: Started, place: str, given: dict[str, str]
) -> None:
    before = house.stores.jobs.schema(job.id)
    answer = review(visit, f"/applications/{job.sp}/{place}", **given)
    assert answer.status_code == 200
    assert "get another title" in answer.text
    assert "3 objects were looked at" in answer.text
    assert house.stores.jobs.schema(job.id) == before
    assert len(house.tried) == 1


def test_a_schema_as_json_says_what_it_would_do(house: House, visit: Visit, job: Started) -> None:
    document = visit.get(f"/applications/{job.sp}/mappings/schema.json").get_json(force=True)
    document["synchronizationRules"][0]["objectMappings"][0]["name"] = "People"
    answer = review(visit, f"/applications/{job.sp}/mappings/schema", schema=json.dumps(document))
    assert "get another title" in answer.text
    assert house.tried[0][0]["synchronizationRules"][0]["objectMappings"][0]["name"] == "People"
    wrong = review(visit, f"/applications/{job.sp}/mappings/schema", schema="{")
    assert ("That is no JSON" in wrong.text, "data-refused" in wrong.text) == (True, True)


def test_rules_that_cannot_be_used_are_refused_in_the_same_place(house: House, visit: Visit, job: Started) -> None:
    given = {**TITLE, "type": "Expression", "expression": "Append("}
    answer = review(visit, f"/applications/{job.sp}/mappings/0/attributes/title", **given)
    assert ("data-refused" in answer.text, house.tried) == (True, [])


def test_another_scope_says_what_it_would_do_and_the_saved_one_says_nothing(
    house: House, visit: Visit, job: Started
) -> None:
    path = f"/applications/{job.sp}/provisioning/scope"
    assert "get another title" in review(visit, path, scope="all").text
    assert house.tried[0][:2] == (None, OtherScope(sync_all=True))
    assert review(visit, path, scope="assigned").text == ""
    assert len(house.tried) == 1
    assert "get another title" in review(visit, path, scope="assigned", transitive="on").text
    assert house.tried[1][:2] == (None, OtherScope(transitive=True))


def test_leaving_accounts_alone_says_what_becomes_of_them_on_both_pages(
    house: House, visit: Visit, job: Started
) -> None:
    scope, safeguards = (f"/applications/{job.sp}/provisioning/{part}" for part in ("scope", "safeguards/scope"))
    assert "get another title" in review(visit, scope, scope="assigned", skips_leavers="on").text
    assert "get another title" in review(visit, safeguards, skips="on").text
    assert review(visit, safeguards).text == ""
    skips = OtherScope(skip_out_of_scope_deletions=True)
    assert [tried[:2] for tried in house.tried] == [(None, skips), (None, skips)]


def test_safeguards_say_what_they_would_hold_before_they_are_saved(house: House, visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/provisioning"
    page = visit.text(f"{path}/safeguards")
    given = dict(re.findall(r'<input class="form-control"[^>]* name="(\w+)"[^>]* value="([^"]*)"', page))
    given |= {"Approval": "none", "DeleteThresholdEnabled": "on"}
    assert visit.post(f"{path}/safeguards/weigh", **given).text == ""
    shown = visit.post(f"{path}/safeguards/weigh", **{**given, "ProtectedUsers": "ceo@*\nboard@*"}).text
    assert house.weighed == [({"ProtectedUsers": "ceo@*\nboard@*"}, {})]
    assert "would hold 12 of the 30 accounts" in shown
    assert "would hold 4 of the 9 members who are to leave groups" in shown
    assert "37 people and groups are protected. 2 of them would else" in shown
    assert "approval of every removal" in shown
    wrong = visit.post(f"{path}/safeguards/weigh", **{**given, "DeleteGracePeriod": "soon"})
    assert (wrong.status_code, "is no duration" in wrong.text) == (200, True)


def test_another_threshold_says_what_it_would_hold(house: House, visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/provisioning/weigh"
    assert visit.post(path, guards_deletions="on", threshold="500").text == ""
    assert "would hold 12 of the 30" in visit.post(path, guards_deletions="on", threshold="5").text
    assert visit.post(path).text != ""
    assert house.weighed == [
        ({}, {"DeleteThresholdEnabled": True, "DeleteThresholdValue": 5}),
        ({}, {"DeleteThresholdEnabled": False}),
    ]
    assert "is a whole number" in visit.post(path, guards_deletions="on", threshold="many").text


def test_default_access_says_what_it_would_do_before_it_entitles(house: House, visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}/properties/scope"
    assert "get another title" in review(visit, path, default_access="on").text
    assert house.tried[0][:2] == (None, OtherScope(accepts_default_access=True))
    assert review(visit, path).text == ""
    assert len(house.tried) == 1


def test_names_values_and_reasons_are_shown_as_text_and_what_is_secret_is_not(tmp_path: Any) -> None:
    class Telling(House):
        def what_if(self, job_id: str, document: Any, scope: OtherScope, limit: int, told: Any = None) -> WhatIf:
            changes = (
                AttributeChange(verb=Verb.REPLACE, attribute="title", old=HOSTILE, new=HOSTILE),
                AttributeChange(verb=Verb.REPLACE, attribute="password", old="hidden-1", new="hidden-2", redacted=True),
            )
            one = Affected(
                source_id="p1",
                source_name=HOSTILE,
                kind=ObjectKind.USER,
                transition=Transition.LEAVES_SCOPE,
                before=OperationKind.UPDATE,
                after=OperationKind.DISABLE,
                reason=HOSTILE,
                changes=changes,
            )
            line = WhatIfLine(
                transition=Transition.LEAVES_SCOPE, count=30, sentence="30 leave", after=OperationKind.DISABLE
            )
            return WhatIf(
                job_id=job_id,
                considered=40,
                affected=30,
                summary=(line,),
                objects=(one,),
                held=(HOSTILE,),
                requests=30,
            )

    house = Telling(tmp_path)
    job = Started(house)
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    page = review(visit, f"/applications/{job.sp}/mappings/reset").text
    assert "leave scope and are disabled" in page
    assert "30 are affected" in page
    assert "The safeguards would hold" in page
    assert "&lt;script&gt;alert" in page
    assert "<script>" not in page
    assert "hidden-" not in page


def affected(number: int, transition: Transition, attribute: str | None = None) -> Affected:
    change = AttributeChange(verb=Verb.REPLACE, attribute=attribute or "", old="a", new="b")
    return Affected(
        source_id=f"p{number}",
        source_name=f"Person {number:03}",
        kind=ObjectKind.USER,
        transition=transition,
        before=OperationKind.UPDATE,
        after=OperationKind.UPDATE if attribute else OperationKind.DISABLE,
        reason="So it is.",
        changes=() if attribute is None else (change,),
    )


def test_every_line_leads_to_all_whom_it_counts_some_at_a_time(tmp_path: Any) -> None:
    """“60 get another title” led to the first 25 of everybody who was affected."""

    class Telling(House):
        def what_if(self, job_id: str, document: Any, scope: OtherScope, limit: int, told: Any = None) -> WhatIf:
            people = (
                *(affected(number, Transition.CHANGES, "title") for number in range(60)),
                *(affected(number, Transition.LEAVES_SCOPE) for number in range(60, 90)),
            )
            lines = (
                WhatIfLine(transition=Transition.CHANGES, count=60, sentence="", attribute="title"),
                WhatIfLine(transition=Transition.LEAVES_SCOPE, count=30, sentence="", after=OperationKind.DISABLE),
            )
            return WhatIf(job_id=job_id, considered=99, affected=90, summary=lines, objects=people[:limit])

    house = Telling(tmp_path)
    job = Started(house)
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    page = review(visit, f"/applications/{job.sp}/mappings/reset").text
    titles, leavers = re.findall(r'<a class="effect [^"]*" href="([^"]+)"', page)

    def everybody(to: str) -> list[str]:
        shown = visit.text(to)
        names = re.findall(r"<bdi>(Person [0-9]+)</bdi>", shown)
        following = re.search(r'hx-get="([^"]+after=[^"]+)"', shown)
        return names + (everybody(html.unescape(following[1])) if following else [])

    assert everybody(titles) == [f"Person {number:03}" for number in range(60)]
    assert everybody(leavers) == [f"Person {number:03}" for number in range(60, 90)]
    assert everybody(titles.partition("?")[0]) == [f"Person {number:03}" for number in range(90)]
    part = visit.client.get(leavers, headers={"HX-Request": "true"}).text
    assert ("<html" in part, "leave scope and are disabled" in part) == (False, True)
    # More of a look that was ended stays a row of its list.
    gone = titles.partition("?")[0].replace("/affected", "-gone/affected")
    for more, element in (("?after=25", "li"), ("", "p")):
        part = visit.client.get(f"{gone}{more}", headers={"HX-Request": "true"}).text
        assert f'<{element} class="wait-line">' in part
    assert visit.get(titles.replace("line=0", "line=2")).status_code == 404
    assert visit.get(titles.replace("line=0", "line=\u00b2")).status_code == 400
    # Another look of the same reader ends the one before it.
    review(visit, f"/applications/{job.sp}/mappings/reset")
    assert "was ended" in visit.get(titles).text


def test_who_may_not_look_at_people_is_told_so_and_may_save_all_the_same(tmp_path: Any) -> None:
    class Busy(House):
        def what_if(self, *_given: Any) -> WhatIf:
            raise Refused(RefusalKind.TOO_MANY, "TooManyRequests", "Other rules are being tried just now.")

    house = Busy(tmp_path)
    job = Started(house)
    page = review(Visit(house, Role.GLOBAL_ADMINISTRATOR), f"/applications/{job.sp}/mappings/reset").text
    assert ("being tried just now" in page, "data-refused" in page) == (True, False)


def test_a_changed_field_of_a_filter_exchanges_the_count_and_nothing_else(visit: Visit, job: Started) -> None:
    """Else who goes on typing meanwhile loses what they typed."""
    path = f"/applications/{job.sp}/mappings/0/scope"
    given = {"group-0": "Some", "attribute-0-0": "city", "operator-0-0": "EQUALS", "value-0-0": "London"}
    data = {"csrf_token": visit.token("/"), **given}
    counted = visit.client.post(path, data=data, headers={"HX-Request": "true"}).text
    assert ("pass" in counted, "<form" in counted, "<input" in counted) == (True, False, False)


def test_a_value_becomes_the_first_of_a_list_when_the_operator_takes_one(
    house: House, visit: Visit, job: Started
) -> None:
    path = f"/applications/{job.sp}/mappings/0/scope"
    given = {"group-0": "Some", "attribute-0-0": "city", "operator-0-0": "IN", "value-0-0": "London", "values-0-0": ""}
    assert visit.post(path, do="save", **given).status_code == 303
    assert visit.post(path, do="save", **{**given, "values-0-0": "London\nParis"}).status_code == 303
    document = house.stores.jobs.schema(job.id).document
    scope = document["synchronizationRules"][0]["objectMappings"][0]["scope"]
    assert scope["groups"][0]["clauses"][0]["targetOperand"]["values"] == ["London", "Paris"]


def test_an_owner_has_the_buttons_of_their_own_application_and_no_page_of_another(house: House, job: Started) -> None:
    visit = Visit(house, Role.APPLICATION_OWNER)
    other = house.application()["id"]
    me = next(each for each in house.stores.access.administrators() if each.display_name == "Ada Admin")
    house.stores.owners.add(job.sp, me.id)
    mine = f"/applications/{job.sp}"
    assert "Pause provisioning" in visit.text(mine)
    assert f'href="{mine}/logs"' in visit.text(mine)
    assert "data-review" in visit.text(f"{mine}/mappings")
    assert visit.post(f"{mine}/pause").status_code == 303
    listed = visit.text("/applications")
    assert (mine in listed, other in listed) == (True, False)
    assert 'href="/applications"' in visit.text("/")
    assert 'href="/audit"' not in visit.text("/")
    for path in (
        f"/applications/{other}",
        f"/applications/{other}/mappings",
        "/audit",
        "/insights",
        "/applications/new",
    ):
        assert visit.get(path).status_code in (403, 404), path
