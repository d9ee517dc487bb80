"""The sample directory as documents: JSON with users and groups, or CSV; and the one that is shipped."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from muster.sample.people import SampleDirectory

SHIPPED = "directory.json"


def shipped_document() -> bytes:
    """Returns the shipped directory of 1,000 people: the JSON document that `muster import` takes."""
    return files("muster.sample").joinpath(SHIPPED).read_bytes()


def render_json(directory: SampleDirectory) -> bytes:
    """Returns the directory as JSON in UTF-8, one object a line."""
    about = {"sample": True, "seed": directory.seed}
    sites = [
        {"name": site.name, "country": site.country, "city": site.city, "timezone": site.time_zone}
        for site in directory.sites
    ]
    return (
        f'{{"about": {json.dumps(about)},\n"sites": {_lines(sites)},\n'
        f'"users": {_lines(directory.users)},\n"groups": {_lines(directory.groups)}}}\n'
    ).encode()


def render_users_csv(directory: SampleDirectory) -> bytes:
    """Returns the users as CSV (RFC 4180) in UTF-8; several values of one attribute are joined by semicolons."""
    columns = list(dict.fromkeys(name for user in directory.users for name in user))
    return _csv(columns, ([_cell(user.get(name)) for name in columns] for user in directory.users))


def render_groups_csv(directory: SampleDirectory) -> bytes:
    """Returns the groups as CSV, one row a member; a group without members has one row with an empty memberId."""
    columns = ["groupId", "displayName", "description", "mailNickname", "securityEnabled", "mailEnabled", "memberId"]
    names = ["objectId", *columns[1:-1]]
    rows = (
        [*(_cell(group.get(name)) for name in names), member]
        for group in directory.groups
        for member in group["members"] or [""]
    )
    return _csv(columns, rows)


def _lines(objects: Sequence[Mapping[str, Any]]) -> str:
    rows = ",\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in objects)
    return f"[\n{rows}\n]"


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ";".join(value)
        case _:
            return str(value)
