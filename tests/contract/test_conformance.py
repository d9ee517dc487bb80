"""The examination of SCIM servers: what it finds in one that keeps the standard, and in those that do not."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakes.scim_service import TOKEN, ScimService
from muster.model.exchange import ConnectionFailed, HttpRequest, HttpResponse
from muster.scim.client import read_address
from muster.scim.dialect import UpdateMethod, read_dialect
from muster.targets.conformance.findings import Verdict
from muster.targets.conformance.report import ExaminationRefused, Report, examine
from muster.targets.conformance.session import Presented, Session

BASE = "https://scim.example/scim/v2"
MARK = "0123456789abcdef"

# Changes a request on its way in, or an answer on its way out.
Manner = Callable[[HttpRequest, Callable[[HttpRequest], HttpResponse]], HttpResponse]


def _usual(request: HttpRequest, pass_on: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    return pass_on(request)


def _examined(manner: Manner = _usual, *, writes: bool = True, people: int = 3) -> tuple[Report, ScimService]:
    service = ScimService()
    for number in range(people):
        service.make_user(f"User{number}@x.example", externalId=str(number), active=True)

    def pass_on(request: HttpRequest) -> HttpResponse:
        parts = urlsplit(request.url)
        path = parts.path.removeprefix(urlsplit(BASE).path) + (f"?{parts.query}" if parts.query else "")
        status, headers, body = service.send(request.method, path, request.headers, request.body)
        return HttpResponse(status=status, headers=headers, body=body, elapsed=timedelta())

    def send(request: HttpRequest, presented: Presented) -> HttpResponse:
        tokens = {Presented.OURS: TOKEN, Presented.WRONG: "wrong"}
        headers = dict(request.headers)
        if presented in tokens:
            headers["authorization"] = f"Bearer {tokens[presented]}"
        filled = HttpRequest(method=request.method, url=request.url, headers=headers, body=request.body)
        return manner(filled, pass_on)

    return examine(Session(read_address(BASE), send, mark=MARK), writes=writes), service


def _failed(report: Report) -> set[str]:
    return {each.probe.name for each in report.examined if each.finding.verdict is Verdict.FAILED}


def _answer(answer: HttpResponse, status: int | None = None, document: Any = None, **headers: str) -> HttpResponse:
    return HttpResponse(
        status=answer.status if status is None else status,
        headers={**answer.headers, **headers},
        body=answer.body if document is None else json.dumps(document).encode(),
        elapsed=answer.elapsed,
    )


def test_a_server_that_keeps_the_standard_has_grade_a_and_nothing_that_fails() -> None:
    report, service = _examined()
    assert _failed(report) == set()
    assert (report.grade, report.score) == ("A", 1.0)
    assert report.count(Verdict.PASSED) > 80
    assert {each.field for each in report.derived} == {"page_size"}
    assert service.ask("GET", "/Users").json["totalResults"] == 3, "the trial user is removed"
    assert service.ask("GET", "/Groups").json["totalResults"] == 0


def test_without_leave_to_write_nothing_is_written() -> None:
    methods: set[tuple[str, str]] = set()

    def noted(request: HttpRequest, pass_on: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        methods.add((request.method, urlsplit(request.url).path.rpartition("/")[2]))
        return pass_on(request)

    report, _ = _examined(noted, writes=False)
    assert {method for method, last in methods if last != ".search"} == {"GET"}
    assert len(report.examined) > 40


def test_an_empty_server_is_examined_as_far_as_it_goes() -> None:
    report, _ = _examined(writes=False, people=0)
    assert _failed(report) == set()
    assert report.count(Verdict.SKIPPED) > 10


# ---------------------------------------------------------------- odd manners


def _ignores_filters(request: HttpRequest, pass_on: Any) -> HttpResponse:
    url = request.url.partition("?")[0] if "filter=" in request.url else request.url
    return pass_on(HttpRequest(method=request.method, url=url, headers=request.headers, body=request.body))


def _lets_everybody_in(request: HttpRequest, pass_on: Any) -> HttpResponse:
    headers = {**request.headers, "authorization": f"Bearer {TOKEN}"}
    return pass_on(HttpRequest(method=request.method, url=request.url, headers=headers, body=request.body))


def _knows_no_patch(request: HttpRequest, pass_on: Any) -> HttpResponse:
    answer = pass_on(request)
    return _answer(answer, 501, {}) if request.method == "PATCH" else answer


def _repeats_the_first_page(request: HttpRequest, pass_on: Any) -> HttpResponse:
    url = request.url.replace("startIndex=2", "startIndex=1")
    return pass_on(HttpRequest(method=request.method, url=url, headers=request.headers, body=request.body))


def _hides_the_inactive(request: HttpRequest, pass_on: Any) -> HttpResponse:
    answer = pass_on(request)
    document = json.loads(answer.body) if answer.body else {}
    if "filter=" in request.url and any(each.get("active") is False for each in document.get("Resources", ())):
        return _answer(answer, document={**document, "totalResults": 0, "Resources": []})
    return answer


def _forgets_titles(request: HttpRequest, pass_on: Any) -> HttpResponse:
    answer = pass_on(request)
    document = json.loads(answer.body) if answer.body else {}
    return _answer(answer, document={**document, "title": None}) if "title" in document else answer


def _answers_pages(request: HttpRequest, pass_on: Any) -> HttpResponse:
    answer = pass_on(request)
    page = HttpResponse(status=404, headers={"content-type": "text/html"}, body=b"<h1>", elapsed=timedelta())
    return page if answer.status == 404 else answer


def _takes_twins(request: HttpRequest, pass_on: Any) -> HttpResponse:
    answer = pass_on(request)
    return _answer(answer, 201, {"id": "another"}) if answer.status == 409 else answer


def _numbers_its_users(request: HttpRequest, pass_on: Any) -> HttpResponse:
    answer = pass_on(request)
    document = json.loads(answer.body) if answer.body else {}
    listed = [{**each, "id": 17, "password": "x"} for each in document.get("Resources", ())]
    return _answer(answer, document={**document, "Resources": listed}) if listed else answer


@pytest.mark.parametrize(
    ("manner", "failed", "grade", "dialect"),
    [
        (_ignores_filters, {"filter.nobody", "filter.one", "filter.externalId"}, "D", {"filterable": {"User": ()}}),
        (_lets_everybody_in, {"auth.none", "auth.wrong"}, "D", {}),
        (_knows_no_patch, {"patch.replace", "off", "on"}, "F", {"update": UpdateMethod.PUT}),
        (_repeats_the_first_page, {"list.pages"}, "D", {"can_list": False}),
        (_hides_the_inactive, {"off.found"}, "D", {}),
        (_forgets_titles, {"create.echo", "patch.replace"}, "D", {}),
        (_answers_pages, {"user.error"}, "A", {}),
        (_takes_twins, {"twin", "twin.type"}, "D", {}),
        (_numbers_its_users, {"user.id", "user.password"}, "F", {}),
    ],
)
def test_what_a_server_does_otherwise_is_found_and_becomes_its_dialect(
    manner: Manner, failed: set[str], grade: str, dialect: dict[str, Any]
) -> None:
    report, _ = _examined(manner)
    assert failed <= _failed(report)
    assert report.grade == grade
    assert {name: getattr(report.dialect, name) for name in dialect} == dialect
    document = report.to_document()
    assert read_dialect(document["dialect"]) == report.dialect, "ready to be saved as a profile"
    assert document["origins"].keys() == document["dialect"].keys()


def test_a_server_that_refuses_the_token_gets_no_report() -> None:
    def refuses(request: HttpRequest, pass_on: Any) -> HttpResponse:
        return _answer(pass_on(request), 403, {})

    with pytest.raises(ExaminationRefused, match="HTTP 403"):
        _examined(refuses)


def test_a_probe_without_an_answer_fails_alone() -> None:
    def breaks(request: HttpRequest, pass_on: Any) -> HttpResponse:
        if "sortBy" in request.url:
            raise ConnectionFailed("The connection broke.", sent=True)
        answer: HttpResponse = pass_on(request)
        return answer

    report, _ = _examined(breaks)
    assert _failed(report) == {"sort"}
    assert next(each for each in report.examined if each.probe.name == "sort").finding.evidence.startswith("no answer")
