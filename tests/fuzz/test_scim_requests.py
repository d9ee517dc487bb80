"""The short run of the fuzzer: `make fuzz` is the long one."""

from pathlib import Path

from fuzz.scim_requests import run


def test_mutated_requests_are_answered_in_scims_form_and_most_reach_the_server(tmp_path: Path) -> None:
    report = run(tmp_path, requests=3_000, seed=20_260_101)
    assert report.findings == []
    assert report.requests == 3_000
    assert report.routed / report.requests >= 0.6
    assert {200, 201, 204, 400, 401, 404, 405, 409} <= set(report.statuses)
