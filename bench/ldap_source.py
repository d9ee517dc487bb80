"""People of a real LDAP server, carried through to the Configuration Manager; then one who changes and one who leaves.

    PYTHONPATH=tests python bench/ldap_source.py [--people 20000]

Both parties run as `muster serve` and `muster configuration-manager serve` do; everything is waited for at the target.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from played_configuration_manager import PlayedCustomer, configuration_manager
from played_installation import PlayedService, service
from played_ldap import PASSWORD, PEOPLE, READER, SKIP, find_slapd, person, played_slapd


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    people = parser.parse_args().people
    if find_slapd() is None:
        print(SKIP)
        return
    staff = [
        person(f"u{number}", f"User {number}", "title: Clerk", f"manager: uid=u0,{PEOPLE}") for number in range(people)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        played_slapd(Path(folder) / "slapd", staff) as server,
        configuration_manager(Path(folder) / "cm") as manager,
        service(Path(folder) / "service") as running,
    ):
        customer = manager.customer("bench")
        connection = {"Server": server.url, "Encryption": "none", "UserName": READER, "Password": PASSWORD}
        job = _add(running, "ldap", {**connection, "UserBase": PEOPLE})
        before = _processor_seconds(running)
        # Each look counts everybody: twenty a second took a fifteenth of the core from what is measured.
        begin, is_in = lambda: running.api.call("POST", f"{job}/start"), lambda: _in_directory(running) >= people
        seconds = _timed(begin, is_in, 0.1)
        used = (_processor_seconds(running) - before) / people
        print(f"into the directory   {people:>7,} people in {seconds:6.1f} s: {people / seconds:,.0f} a second")
        print(f"                     {used * 1e6:.0f} µs of processor time each, by all processes of the service")
        target = {"BaseAddress": customer.url, "SecretToken": customer.token, "SyncAll": "true"}
        job = _add(running, "scim", target)
        seconds = _timed(lambda: running.api.call("POST", f"{job}/start"), lambda: _at_target(customer) >= people, 0.5)
        print(f"on to the target     {people:>7,} people in {seconds:6.1f} s: {people / seconds:,.0f} a second")
        # The cycle has its references and its end to come.
        assert _until(lambda: (running.api.get(job)["status"]["lastExecution"] or {}).get("state") == "Succeeded", 0.5)
        for number in range(3):
            name = f"u{number + 7}"
            seconds = _timed(
                lambda name=name: server.set(f"uid={name},{PEOPLE}", "title", "Chief"),  # type: ignore[misc]
                lambda name=name: _user(customer, name).get("title") == "Chief",  # type: ignore[misc]
            )
            print(f"one who changes      seen at the target after {seconds:.2f} s")
        seconds = _timed(
            lambda: server.delete(f"uid=u9,{PEOPLE}"), lambda: _user(customer, "u9").get("active") is not True
        )
        print(f"one who leaves       disabled at the target after {seconds:.2f} s")


def _processor_seconds(running: PlayedService) -> float:
    supervisor = psutil.Process(running.popen.pid)
    times = [process.cpu_times() for process in (supervisor, *supervisor.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _add(running: PlayedService, template: str, secrets: dict[str, str]) -> str:
    made = running.api.call("POST", f"/applicationTemplates/{template}/instantiate", {"displayName": template})
    sync = f"/servicePrincipals/{made['servicePrincipal']['id']}/synchronization"
    value = [{"key": key, "value": text} for key, text in secrets.items()]
    running.api.call("PUT", f"{sync}/secrets", {"value": value})
    return f"{sync}/jobs/{running.api.call('POST', f'{sync}/jobs', {'templateId': template})['id']}"


def _in_directory(running: PlayedService) -> int:
    status, body = running.api.exchange("GET", "/v1.0/users/$count", None, {"ConsistencyLevel": "eventual"})
    assert status == 200, body
    return int(body.decode("utf-8-sig"))


def _at_target(customer: PlayedCustomer) -> int:
    return int(customer.ask("GET", "/Users?count=0").json["totalResults"])


def _user(customer: PlayedCustomer, name: str) -> dict[str, Any]:
    found = customer.ask("GET", f"/Users?filter=userName%20eq%20%22{name}@example.com%22").json["Resources"]
    return dict(found[0]) if found else {}


def _timed(act: Callable[[], object], holds: Callable[[], bool], every: float = 0.05) -> float:
    started = time.perf_counter()
    act()
    assert _until(holds, every)
    return time.perf_counter() - started


def _until(holds: Callable[[], bool], every: float) -> bool:
    until = time.monotonic() + 900
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(every)
    return False


if __name__ == "__main__":
    main()
