"""Every command of the documentation is typed, page by page, or it stands below with the reason why not.

Each test is a home with servers of its own: the tutorial and what goes on from its end, the README with the API, and
the files of a source. What needs a stopped installation is typed on copies of the tutorial's, once its servers ended.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from documents.console import Block, blocks
from documents.reading import DOCUMENTS, ROOT
from fakes.mail_server import mail_server
from played_configuration_manager import PlayedCustomer
from played_installation import users_at
from played_ldap import make_certificates
from played_needs import COMMANDS, Before, find_hash, prepare_commands
from played_postgres import NO_POSTGRES, postgres_server
from played_reader import Reader, make_reader, serves
from waiting import eventually

#: Pages that are typed here, in the order in which a reader's home goes through them.
FROM_THE_TUTORIAL = ("docs/tutorial.md", "docs/how-to.md", "docs/configuration.md", "docs/commands.md")
FROM_THE_TUTORIAL += ("docs/operations.md", "docs/settings.md")
FROM_THE_README = ("README.md", "docs/api.md", "docs/sign-in.md")
OF_A_SOURCE = ("docs/sources/files.md", "docs/sources/README.md")
#: Pages whose commands another test types.
ELSEWHERE = {
    "docs/sources/ldap.md": "tests/faces/test_source_samples.py",
    "docs/sources/microsoft-graph.md": "tests/faces/test_source_samples.py",
    "docs/sources/scim.md": "tests/faces/test_source_samples.py",
}
#: Commands that are not typed, and why; that what they name exists is looked at.
NOT_TYPED = {
    "make demo": "tests/live/test_demo.py has it with fewer people",
    "muster demo": "tests/live/test_demo.py has it with fewer people",
    "muster demo --users 10000 --exit --json": "tests/live/test_demo.py has it with fewer people",
    "muster demo --data ~/muster-demo --exit": "tests/live/test_demo.py has it with fewer people",
    "make test": "it is what runs this",
    "make lint": "a step of its own beside the tests",
    "make format": "it would change the files that are tested",
    "make docs": "it installs what only the site needs; a step of its own beside the tests",
    "make bench": "it measures for minutes",
    'make bench ARGS="--users 5000 --rounds 5"': "it measures for minutes",
    "make bench-scale ARGS=10000": "it measures for minutes",
}
NOT_TYPED_PAGES = {"docs/performance.md": "each measures for minutes"}

_DATABASE = "postgresql://muster@db.example/muster"
_TYPED = [page for pages in (FROM_THE_TUTORIAL, FROM_THE_README, OF_A_SOURCE) for page in pages]


def of_page(page: str) -> list[Block]:
    """What of a page is typed or written."""
    return [block for block in blocks(ROOT / page) if block.kind != "other"]


def bare(line: str) -> str:
    """A command without the remark behind it."""
    return re.sub(r"\s+# .*$", "", line) if "'" not in line else line


def lines(page: str) -> list[str]:
    return [bare(line) for block in of_page(page) for line in block.commands if block.kind != "file"]


# ---------------------------------------------------------------- nothing is passed over


def test_every_page_with_commands_has_its_place() -> None:
    pages = {str(document.relative_to(ROOT)) for document in DOCUMENTS}
    with_commands = {page for page in pages if lines(page)}
    assert with_commands == {*_TYPED, *ELSEWHERE, *NOT_TYPED_PAGES, "CONTRIBUTING.md"}
    assert set(lines("CONTRIBUTING.md")) <= set(NOT_TYPED) | {"make help"}


def test_what_looks_like_a_command_is_taken_for_one() -> None:
    """Blocks with nothing to type: none of their lines begins as a command does."""
    found = [
        line
        for document in DOCUMENTS
        for block in blocks(document)
        if block.kind == "other" and "decisions" not in block.page
        for line in block.text.splitlines()
        if re.match(r"(muster|make|curl|docker|kubectl|pip|sudo|\$) [a-z-]", line)
    ]
    assert found == ["muster serve (supervisor, holds the folder's lock)"]  # a drawing, in docs/architecture.md


def test_no_exception_is_left_of_a_command_that_is_gone() -> None:
    there = {line for document in DOCUMENTS for line in lines(str(document.relative_to(ROOT)))}
    assert set(NOT_TYPED) - there == set()
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


def _untyped() -> list[str]:
    return sorted({*NOT_TYPED, *(line for page in NOT_TYPED_PAGES for line in lines(page))})


@pytest.mark.parametrize("line", [line for line in _untyped() if line.startswith("make")])
def test_a_target_that_is_not_typed_exists(line: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in _untyped() if "bench/" in line])
def test_a_measurement_that_is_not_typed_has_the_options_that_the_page_gives(line: str) -> None:
    words = [word for word in shlex.split(line, comments=True) if not word.startswith("PYTHONPATH=")]
    script, *given = words[1:]
    asked = subprocess.run(
        [sys.executable, script, "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": "tests", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert [word for word in given if word.startswith("--") and word not in asked.stdout] == []


# ---------------------------------------------------------------- the tutorial, and what goes on from its end


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    made = make_reader(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return made


def follow(
    reader: Reader, page: str, stack: ExitStack, *, before: Before | None = None, but: Iterable[str] = ()
) -> list[str]:
    """What a page's commands say, typed from the first to the last, but those that are typed elsewhere."""
    said = []
    for block in of_page(page):
        if block.file is not None:
            reader.write(block)
        for line in block.commands if block.kind != "file" else ():
            if bare(line) in NOT_TYPED or bare(line) in but:
                continue
            for begin, prepare in (before or {}).items():
                if line.startswith(begin):
                    prepare(reader)
            if re.match(r"muster (configuration-manager )?serve\b", line):
                port = reader.manager if "configuration-manager" in line else reader.service
                stack.enter_context(reader.serving(bare(line), port))
            elif line.endswith("admin create anna"):
                reader.type_with_password(line)
            else:
                said.append(reader.type(line, refused=SAID.get(bare(line))))
    return said


#: What has nothing to do in this home, and says so.
SAID = {
    "muster source accept HR": "Nobody is missing from the last read of everybody",
    "muster approve 8x8 ada@lantaarn.example": "Nothing is held of “ada@lantaarn.example”",
    "muster approve 8x8 --cause signInBlocked": "Nothing is held for that",
}
#: What is typed while nothing runs: upkeep, and the servers of commands.md, each on a copy of its own.
AT_REST = re.compile(r"muster (configuration-manager )?(restore|migrate|secrets rotate|serve|worker)\b")


_SERVER = re.compile(r"\b(serve|worker)\b")


def at_rest() -> list[str]:
    """Servers last: those on PostgreSQL need what a command has moved there."""
    found = [line for page in FROM_THE_TUTORIAL[2:] for line in lines(page) if AT_REST.search(line)]
    return sorted(found, key=lambda line: _SERVER.search(line) is not None)


def test_the_tutorial_and_the_pages_that_go_on_from_it(reader: Reader) -> None:
    with ExitStack() as stack:
        follow(reader, "docs/tutorial.md", stack)
        url = f"http://127.0.0.1:{reader.manager}/udi/customers/Lantaarn/scim/v2"
        customer = PlayedCustomer(name="Lantaarn", url=url, token=(reader.home / "8x8.token").read_text().strip())

        def accounts() -> dict[str, tuple[bool, str]]:
            enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            return {user["userName"]: (user["active"], user[enterprise]["department"]) for user in users_at(customer)}

        # Ada is deactivated, Bram has moved, Cem stays, Dora never had an account.
        wanted = {
            "ada@lantaarn.example": (False, "Sales"),
            "bram@lantaarn.example": (True, "Success"),
            "cem@lantaarn.example": (True, "Support"),
        }
        assert eventually(lambda: accounts() == wanted), accounts()
        for page in FROM_THE_TUTORIAL[1:3]:
            follow(reader, page, stack)
        mails = stack.enter_context(mail_server())
        prepare_commands(reader, mails.port)
        for page in FROM_THE_TUTORIAL[3:]:
            follow(reader, page, stack, before=COMMANDS, but=at_rest())
    _type_at_rest(reader)


def _type_at_rest(reader: Reader) -> None:
    """Each on a copy: of the service's folder or the Configuration Manager's, and with a database of its own."""
    make_certificates(reader.home)
    (reader.home / "server.pem").rename(reader.home / "chain.pem")
    (reader.home / "server.key").rename(reader.home / "key.pem")
    shutil.copy(reader.data / "service/secret.key", reader.home / "muster.key")
    reader.exchanged |= {"/run/secrets/muster": str(reader.home / "muster.key"), "--port 9000": "--port 0"}
    for name in ("muster", "muster-monday"):  # what was copied while it ran
        assert (reader.home / "backups" / f"{name}.db").exists()
    with postgres_server() as postgres, ExitStack() as stack:
        assert postgres is not None, NO_POSTGRES  # else what needs a database would be passed over
        logs = []
        for number, line in enumerate(at_rest()):
            party = "configuration-manager" if "configuration-manager" in line else "service"
            folder = reader.home / "copies" / str(number)
            if "restore" in line and "--replace" not in line:
                folder.mkdir(parents=True)
            else:
                shutil.copytree(reader.data / party, folder)
            reader.variables |= {"MUSTER_DATA": str(folder), "MUSTER_PORT": "0"}
            if "migrate --to" in line:
                reader.exchanged[_DATABASE] = shlex.quote(postgres.url_of(postgres.create()))
            if _SERVER.search(line):
                logs.append(stack.enter_context(reader.started(line)))
            else:
                reader.type(line)
        for log in logs:
            assert eventually(partial(serves, log)), log.read_text()


# ---------------------------------------------------------------- the README, with the API


def test_the_readme_and_the_pages_of_the_api(reader: Reader) -> None:
    people = next(block for block in blocks(ROOT / "README.md") if block.text.startswith("userPrincipalName,"))
    (reader.home / "people.csv").write_text(people.text, encoding="utf-8")
    reader.exchanged["..."] = "kept"
    with ExitStack() as stack:
        follow(reader, "README.md", stack, before={"muster plan 8x8": _by_the_api, "muster apply HASH": find_hash})
        reader.type(typed_in_api()[-1])
        reader.exchanged["https://MUSTER"] = f"http://127.0.0.1:{reader.service}"
        follow(reader, "docs/sign-in.md", stack)


def typed_in_api() -> list[str]:
    """The calls of the API's page, each with the function that it calls; the last one starts the job."""
    typed = [line for block in of_page("docs/api.md") for line in block.commands]
    function = next(line for line in typed if line.startswith("api() "))
    return [f"{function}\n{line}" if line.startswith("api ") else line for line in typed if line is not function]


def _by_the_api(reader: Reader) -> None:
    """The README's fourth step, and the rest of the API's page: each answer gives the names of the next call."""
    reader.variables["MUSTER_TOKEN"] = json.loads(
        reader.type('muster token create reader --role "Global Administrator" --json')
    )["token"]
    api = reader.api
    customer = json.loads(reader.type("muster configuration-manager token create Lantaarn --json"))
    reader.exchanged |= {
        "TENANT": api.get("/organization")["value"][0]["id"],
        "USER": api.get("/users/ada@lantaarn.example")["id"],
        "URL": f"http://127.0.0.1:{reader.manager}/udi/customers/Lantaarn/scim/v2",
        "TOKEN": customer["token"],
    }
    for line in typed_in_api()[:-1]:
        answer = reader.type(line)
        reader.exchanged |= _told(line, json.loads(answer) if answer else {}, reader)


def _told(line: str, answer: dict[str, Any], reader: Reader) -> dict[str, str]:
    """The names that the page says an answer gives."""
    if "/applications -d" in line:
        of_program = reader.api.get(f"/servicePrincipals(appId='{answer['appId']}')")
        return {"APPLICATION": answer["id"], "APPID": answer["appId"], "SP": of_program["id"]}
    if "addPassword" in line:
        return {"SECRET": answer["secretText"]}
    if "/applicationTemplates?" in line:
        return {"TEMPLATE": answer["value"][0]["id"]}
    if "/instantiate" in line:
        made = answer["servicePrincipal"]
        return {"SP": made["id"], "/ID/": f"/{made['id']}/", "ROLE": made["appRoles"][-1]["id"]}
    if "/synchronization/jobs -d" in line:
        return {"JOB": answer["id"]}
    return {}


# ---------------------------------------------------------------- files of a source


def test_the_pages_of_sources(reader: Reader) -> None:
    with ExitStack() as stack:
        stack.enter_context(reader.serving("muster serve", reader.service))
        said = follow(reader, OF_A_SOURCE[0], stack)
        assert any("3 hires" in each for each in said), said
        (source,) = json.loads(reader.type("muster source list --json"))
        assert (source["mirror"]["users"], source["mirror"]["isComplete"]) == (2, True)
        follow(reader, OF_A_SOURCE[1], stack)
