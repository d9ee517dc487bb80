"""Options that do nothing together are refused, not ignored; what is too short or incomplete is said."""

from pathlib import Path

import pytest
import typer

from muster.cli.console import Failed
from muster.cli.log_export import LogFormat
from muster.cli.logs import logs
from muster.cli.main import make_group
from muster.cli.provisioning import apply, provision
from muster.cli.reach import open_api
from muster.web.graph.log_table import Part


def test_url_and_data_together_name_two_installations(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="give one of the two"), open_api(tmp_path, "http://a", "secret"):
        pass


@pytest.mark.parametrize("url", ["127.0.0.1:18380", "muster.example", "ftp://muster.example", ""])
def test_an_address_without_its_scheme_is_told_how_it_begins(url: str) -> None:
    with pytest.raises(Failed, match="must begin with http:// or https://"), open_api(None, url, "secret"):
        pass


def test_members_are_those_of_a_group(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="give --group too"):
        provision("8x8", "ada", members=True, data=tmp_path)


@pytest.mark.parametrize("form", [None, LogFormat.JSON])
def test_a_part_is_one_of_the_csv(tmp_path: Path, form: LogFormat | None) -> None:
    with pytest.raises(typer.BadParameter, match="give --format csv too"):
        logs("8x8", part=Part.STEPS, form=form, data=tmp_path)


def test_a_hash_needs_eight_digits(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="97d6 is too short for a plan: give at least 8 digits"):
        apply("97d6", data=tmp_path)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["logs", "8x8", "--status", "foo"], "'foo' is not one of 'success'"),
        (["logs", "8x8", "--top", "0"], "it must be greater than or equal to 1"),
        (["token", "create", "x", "--role", "foo"], "'foo' is not one of 'Global Administrator'"),
    ],
)
def test_a_wrong_value_is_told_in_words_for_people(given: list[str], says: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        make_group()(given, standalone_mode=False)
    assert caught.value.message.startswith(says)
