"""Whatever a file holds, it is read or refused with a sentence; nothing else happens."""

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from muster.model.directory import ObjectKind
from muster.sources.files import FileSource, read_file
from muster.sources.rows import FileRefused

SCRAPS = st.sampled_from(
    [
        *[
            "userPrincipalName",
            "displayName",
            "mail",
            "a@x.example",
            "b@x.example",
            '"users"',
            '"groups"',
            "null",
            "1e999",
        ],
        *[",", ";", "\t", '"', '""', "\n", "\r\n", "\r", "", " ", "\ufeff", "\x00", "{", "}", "[", "]", ":"],
        *["é", "大", "\u2028"],
    ]
)
TEXTS = st.lists(SCRAPS, max_size=60).map("".join)
CONTENTS = st.one_of(
    st.binary(max_size=300),
    TEXTS.map(lambda text: text.encode()),
    TEXTS.map(lambda text: ("userPrincipalName,displayName,mail\n" + text).encode()),
    TEXTS.map(lambda text: text.encode("utf-16")),
    TEXTS.map(lambda text: ('{"users": [' + text + "]}").encode()),
)


def read_whole(name: str, content: bytes) -> FileSource | None:
    try:
        return read_file(name, content)
    except FileRefused as refused:
        assert refused.sentence.endswith((".", "?"))
        assert refused.sentence.isprintable()
        return None


@settings(max_examples=400, deadline=None)
@given(CONTENTS, st.sampled_from(["a.csv", "a.json"]))
def test_any_content_is_read_or_refused_with_a_sentence(content: bytes, name: str) -> None:
    source = read_whole(name, content)
    if source is None:
        return
    with_problems = source.problems
    assert all(problem.isprintable() for problem in with_problems)
    for kind in ObjectKind:
        page = source.read(kind, None, None, 1_000)
        assert len(page.changes) == source.count(kind, None)
        assert page.next_after is None
        for change in page.changes:
            assert source.read_one(kind, change.source_id) == change
    source.close()


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;\n\t|'), max_size=20
).map(str.strip)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=12), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_what_a_spreadsheet_writes_is_read_back(rows: list[tuple[str, str]], delimiter: str, line_end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["userPrincipalName", "displayName", "department"])
    writer.writerows([f"p{number}@x.example", *cells] for number, cells in enumerate(rows))
    source = read_file("a.csv", text.getvalue().encode())
    assert source.problems == ()
    shown = [change.attributes for change in source.read(ObjectKind.USER, None, None, 100).changes]
    assert [(row.get("displayName", ""), row.get("department", "")) for row in shown] == rows
    source.close()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=12), st.booleans())
def test_what_json_holds_is_read_back(rows: list[tuple[str, str]], is_ascii: bool) -> None:
    users = [
        {"userPrincipalName": f"p{number}@x.example", "displayName": name, "department": department}
        for number, (name, department) in enumerate(rows)
    ]
    source = read_file("a.json", json.dumps({"users": users}, ensure_ascii=is_ascii).encode())
    assert source.problems == ()
    shown = [change.attributes for change in source.read(ObjectKind.USER, None, None, 100).changes]
    assert [(row.get("displayName", ""), row.get("department", "")) for row in shown] == rows
    source.close()
