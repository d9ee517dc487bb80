"""The structure that CONTRIBUTING promises: docstrings, sizes, what a process loads, one line a command."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from documents.reading import SOURCE, modules
from muster.cli.main import COMMANDS, load

LINES_LIMIT = 420
# What a server needs and a help text does not.
HEAVY = ("dbos", "flask", "falcon", "httptools", "alembic", "sqlalchemy", "onelogin", "saml2", "xmlsec", "psycopg")


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def _loaded_after(code: str) -> set[str]:
    """Returns the names of the modules that a fresh process has loaded after a piece of code."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("path", [path for path in modules() if path.name == "__init__.py"], ids=_name)
def test_a_folder_s_init_holds_a_docstring_and_nothing_else(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)


def test_every_folder_with_modules_has_an_init() -> None:
    folders = {path.parent for path in modules()}
    assert [_name(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("path", modules(), ids=_name)
def test_a_module_says_what_it_holds_and_is_of_a_readable_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= LINES_LIMIT


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_loads_no_server_no_database_and_no_runner(arguments: list[str]) -> None:
    code = (
        "from contextlib import redirect_stdout, suppress\n"
        "import io\n"
        "from muster.cli.main import main\n"
        f"sys.argv = ['muster', *{arguments}]\n"
        "with redirect_stdout(io.StringIO()) as shown, suppress(SystemExit):\n"
        "    main()\n"
        "assert 'muster' in shown.getvalue()"
    )
    loaded = _loaded_after(code)
    assert "muster.cli.main" in loaded
    assert sorted(name for name in HEAVY if name in loaded) == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_of_commands_says_of_each_what_it_says_itself(name: str) -> None:
    target, line = COMMANDS[name]
    own = " ".join((load(target).help or "").split())
    assert own == line or own.startswith(f"{line} ")


def test_the_configuration_manager_loads_nothing_of_the_service() -> None:
    loaded = _loaded_after("import muster.bootstrap.configuration_manager_web\nimport muster.bootstrap.serving")
    assert "muster.configuration_manager.site" in loaded
    foreign = (
        "engine",
        "administration",
        "store",
        "sources",
        "targets",
        "runs",
        "web",
        "planning",
        "gallery",
        "expression",
    )
    rooms = {name.split(".")[1] for name in loaded if name.startswith("muster.")}
    assert sorted(rooms.intersection(foreign)) == []
    assert "dbos" not in loaded


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("muster pla", "plan\nplans"),
        ("muster config ", "export\nplan\napply\nschema"),
        ("muster config plan --ch", "--check"),
    ],
)
def test_the_shell_completes_commands_that_are_loaded_when_they_are_asked_for(words: str, completed: str) -> None:
    asked = {"_MUSTER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "muster"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == completed.split()
