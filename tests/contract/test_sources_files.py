"""What is read of a file, and what is said about one that is malformed."""

import json
from pathlib import Path
from typing import Any

import pytest

from muster.model.directory import ObjectKind
from muster.model.operation import Change
from muster.sample.documents import render_groups_csv, render_json, render_users_csv, shipped_document
from muster.sample.people import make_directory
from muster.sources.files import FileSource, open_file, read_file
from muster.sources.rows import FileLimits, FileRefused

HEADER = "userPrincipalName,displayName,mail,accountEnabled\n"


def users_of(source: FileSource) -> list[Change]:
    return list(source.read(ObjectKind.USER, None, None, 100_000).changes)


def names_of(source: FileSource) -> list[str]:
    return [change.attributes["userPrincipalName"] for change in users_of(source)]


def csv_file(text: str, encoding: str = "utf-8") -> FileSource:
    return read_file("people.csv", text.encode(encoding))


def json_file(value: Any) -> FileSource:
    return read_file("people.json", json.dumps(value, ensure_ascii=False).encode())


# ---------------------------------------------------------------- what is read


def test_the_shipped_directory_is_read_without_a_problem() -> None:
    source = read_file("directory.json", shipped_document())
    assert (source.problems, source.notices) == ((), ())
    assert source.count(ObjectKind.USER, None) == 1_000
    assert source.count(ObjectKind.GROUP, None) == 31


def test_csv_and_json_of_one_company_say_the_same() -> None:
    company = make_directory(300)
    from_json = read_file("a.json", render_json(company))
    users = read_file("a.csv", render_users_csv(company))
    groups = read_file("a.groups.csv", render_groups_csv(company))
    assert users.problems == groups.problems == ()
    assert users_of(users) == users_of(from_json)
    for one, other in zip(
        groups.read(ObjectKind.GROUP, None, None, 100).changes,
        from_json.read(ObjectKind.GROUP, None, None, 100).changes,
        strict=True,
    ):
        assert one.attributes == other.attributes
        assert one.references == other.references


def test_managers_and_members_are_resolved_to_source_ids() -> None:
    source = json_file(
        {
            "groups": [{"objectId": "g1", "displayName": "All", "members": ["BOSS@x.example", "u2", {"id": "u1"}]}],
            "users": [
                {"objectId": "u1", "userPrincipalName": "ann@x.example", "manager": "Boss@X.example"},
                {"objectId": "u2", "userPrincipalName": "boss@x.example", "employeeId": "7"},
                {"objectId": "u3", "userPrincipalName": "cor@x.example", "manager": "7"},
                {"objectId": "u4", "userPrincipalName": "dan@x.example", "manager": "gone@x.example"},
            ],
        }
    )
    assert [change.references["manager"] for change in users_of(source)] == [("u2",), (), ("u2",), ("gone@x.example",)]
    (group,) = source.read(ObjectKind.GROUP, None, None, 10).changes
    assert group.references == {"members": ("u2", "u1"), "memberGroups": ()}
    assert "manager" not in users_of(source)[0].attributes


def test_a_file_without_the_column_says_nothing_about_managers() -> None:
    assert users_of(csv_file(HEADER + "a@x.example,A,,\n"))[0].references == {}


@pytest.mark.parametrize(
    ("row", "source_id"),
    [
        ({"objectId": "o", "employeeId": "e", "userPrincipalName": "A@x.example"}, "o"),
        ({"id": "o", "userPrincipalName": "A@x.example"}, "o"),
        ({"employeeId": "e", "userPrincipalName": "A@x.example"}, "e"),
        ({"employeeId": 100, "userPrincipalName": "A@x.example"}, "100"),
        ({"userPrincipalName": "A@x.example"}, "a@x.example"),
    ],
)
def test_the_source_id_is_the_most_lasting_identity(row: dict[str, Any], source_id: str) -> None:
    assert users_of(json_file([row]))[0].source_id == source_id


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("nee", False),
        ("1", True),
        ("Yes", True),
        ("ja", True),
        ("FALSE", False),
        ("0", False),
        ("no", False),
    ],
)
def test_truth_has_several_spellings(text: str, value: bool) -> None:
    assert users_of(csv_file(HEADER + f"a@x.example,A,,{text}\n"))[0].attributes["accountEnabled"] is value


def test_soft_deletion_is_an_attribute_and_everybody_is_present() -> None:
    (user,) = users_of(csv_file("userPrincipalName,isSoftDeleted\na@x.example,true\n"))
    assert user.attributes["isSoftDeleted"] is True
    assert user.lifecycle == "present"


def test_empty_cells_are_absent_and_blanks_around_values_are_cut() -> None:
    (user,) = users_of(csv_file(HEADER + "a@x.example,  Ann ,   ,\n"))
    assert dict(user.attributes) == {"userPrincipalName": "a@x.example", "displayName": "Ann"}


def test_graph_names_and_shapes_are_understood() -> None:
    source = json_file(
        {
            "@odata.context": "…",
            "value": [
                {
                    "id": "u1",
                    "userPrincipalName": "a@x.example",
                    "officeLocation": "London",
                    "businessPhones": ["+44 20 7946 0000"],
                    "mobilePhone": None,
                    "proxyAddresses": ["SMTP:a@x.example", "smtp:b@x.example"],
                    "employeeHireDate": "2024-02-29",
                }
            ],
        }
    )
    assert source.problems == ()
    assert dict(users_of(source)[0].attributes) == {
        "objectId": "u1",
        "userPrincipalName": "a@x.example",
        "physicalDeliveryOfficeName": "London",
        "telephoneNumber": "+44 20 7946 0000",
        "proxyAddresses": ("SMTP:a@x.example", "smtp:b@x.example"),
        "employeeHireDate": "2024-02-29T00:00:00Z",
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(delimiter: str) -> None:
    text = HEADER.replace(",", delimiter) + delimiter.join(['"a@x.example"', f'"A{delimiter} B"', "", "true"]) + "\n"
    assert users_of(csv_file(text))[0].attributes["displayName"] == f"A{delimiter} B"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(line_end: str) -> None:
    text = HEADER + 'a@x.example,"A ""the\nFirst"" B",,\n\n,,,\nb@x.example,B,,'
    source = csv_file(text.replace("\n", line_end))
    assert source.problems == ()
    assert users_of(source)[0].attributes["displayName"] == f'A "the{line_end}First" B'
    assert names_of(source) == ["a@x.example", "b@x.example"]


def test_the_line_that_excel_writes_before_the_header_is_skipped() -> None:
    assert names_of(csv_file("sep=;\nuserPrincipalName;mail\na@x.example;\n")) == ["a@x.example"]


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_unicode_encodings_are_recognised(encoding: str, form: str) -> None:
    name = "Łukasz Żak 大阪 Ærø"
    if form == "csv":
        source = csv_file(HEADER + f"a@x.example,{name},,\n" + "b@x.example,B,,\n" * 3, encoding)
    else:
        content = json.dumps([{"userPrincipalName": "a@x.example", "displayName": name}], ensure_ascii=False)
        source = read_file("a.json", content.encode(encoding))
    assert users_of(source)[0].attributes["displayName"] == name
    assert source.problems == ()


def test_windows_1252_is_read_and_the_admin_is_told() -> None:
    source = csv_file(HEADER + "a@x.example,Zoë Müller – “Ž”,,\nb@x.example,Åsa,,\n", "cp1252")
    assert [user.attributes["displayName"] for user in users_of(source)] == ["Zoë Müller – “Ž”", "Åsa"]
    assert source.problems == ()
    (notice,) = source.notices
    assert notice == (
        "The file is not UTF-8; it was read as Windows-1252 (Latin-1), in which it has words such as “Zoë”, “Müller”, "
        "“–”, ““Ž””, “Åsa”. If they are wrong, save it as UTF-8."
    )


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "cp850"])
@pytest.mark.parametrize("names", ["Jörg Müller", "André O’Neill", "Zoë Ñandú", "Chloë", "Bjørn ÆGIR", "JOSÉ Größe"])
def test_the_set_of_letters_is_that_in_which_names_look_like_names(encoding: str, names: str) -> None:
    names = names.replace("’", "'") if encoding == "cp850" else names
    source = csv_file(HEADER + f"a@x.example,{names},,\n", encoding)
    assert [user.attributes["displayName"] for user in users_of(source)] == [names]
    assert names.split()[-1] in source.notices[0] or names.split()[0] in source.notices[0]


def test_words_of_another_set_of_letters_are_shown() -> None:
    names = "Pierre Żak Łukasz Wiśniewski".encode("cp1250")
    source = read_file("a.csv", HEADER.encode() + b"a@x.example," + names + b",,\n")
    (notice,) = source.notices
    assert all(odd in notice for odd in ("“£ukasz”", "ak”", "niewski”")), notice


def test_broken_bytes_in_a_file_in_utf_8_cost_their_row_only() -> None:
    content = HEADER.encode() + "a@x.example,Zoë,,\n".encode() + b"b@x.example,Zo\xeb,,\n" + b"c@x.example,C,,\n"
    source = read_file("a.csv", content)
    assert names_of(source) == ["a@x.example", "c@x.example"]
    (problem,) = source.problems
    assert problem == (
        "Line 3, column 2 (displayName): holds bytes that are not valid in the file's encoding; save the file as "
        "UTF-8. The row is not read."
    )


# ---------------------------------------------------------------- rows that are left out


NOT_A_NAME = (
    "Line 3, column 1 (userPrincipalName): must be written alias@domain, without blanks and with at most 113 "
    "characters, not “bx”. The row is not read."
)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("b@x.example,B", "Line 3 ends after column 2 (displayName): it has 2 values and the header 4 columns."),
        ("b@x.example,B,,,,oops", "Line 3, column 5: it has 6 values and the header 4 columns."),
        (
            'b@x.example,"B,,',
            "Line 3, column 2 (displayName): a quotation mark stands inside a value or is not closed.",
        ),
        ('b@x.example,"B" C,,', "Line 3, column 2 (displayName): a quotation mark stands inside a value"),
        ('b@x.example,B "C" D,,', ""),
        (",B,,", "Line 3, column 1 (userPrincipalName): has no value, and nobody is without one."),
        ("b x@x.example,B,,", "Line 3, column 1 (userPrincipalName): must be written alias@domain, without blanks"),
        ("bx.example,B,,", "Line 3, column 1 (userPrincipalName): must be written alias@domain, without blanks"),
        ("bx,B,,", NOT_A_NAME),
        (
            "b@x.example,B,,perhaps",
            "Line 3, column 4 (accountEnabled): takes true or false (or 1, 0, yes, no, ja, nee)",
        ),
        ("b@x.example,B\x00,,", "Line 3, column 2 (displayName): holds a control character."),
        (f"b@x.example,{'B' * 1_025},,", "Line 3, column 2 (displayName): has 1,025 characters; 1,024 are the limit."),
        (f"b@x.example,{'B' * 70_000},,", "Line 3: the line is longer than 65,536 characters."),
    ],
)
def test_a_malformed_row_is_named_and_the_others_are_read(row: str, sentence: str) -> None:
    source = csv_file(HEADER + f"a@x.example,A,,\n{row}\nc@x.example,C,,\nd@x.example,D,,\n")
    if not sentence:
        # RFC 4180 forbids quotation marks in a bare value; every reader takes them, and so does this one.
        assert source.problems == ()
        return
    assert names_of(source) == ["a@x.example", "c@x.example", "d@x.example"]
    assert len(source.problems) == 1
    assert source.problems[0].startswith(sentence)
    assert not source.is_complete()


def test_a_quotation_mark_that_is_never_closed_costs_one_row() -> None:
    rows = [f"p{number}@x.example,P,,\n" for number in range(3_000)]
    rows[5] = 'p5@x.example,"P,,\n'
    rows[2_900] = 'p2900@x.example,"Q, R",,\n'
    source = csv_file(HEADER + "".join(rows))
    assert source.count(ObjectKind.USER, None) == 2_999
    assert source.problems[0].startswith("Line 7, column 2 (displayName): a quotation mark")


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"userPrincipalName": "b@x.example", "mail": {"a": 1}}, "users[1] (line 1): mail takes one text, not “{'a'"),
        ({"userPrincipalName": "b@x.example", "mail": ["a", "b"]}, "users[1] (line 1): mail takes one text, not “['a'"),
        ({"userPrincipalName": "b@x.example", "proxyAddresses": 4}, "users[1] (line 1): proxyAddresses takes a list."),
        ({"userPrincipalName": "b@x.example", "manager": 4}, "users[1] (line 1): manager takes an id or"),
        ({"userPrincipalName": "b@x.example", "accountEnabled": 2}, "users[1] (line 1): accountEnabled takes true"),
        ({"userPrincipalName": "b@x.example", "employeeHireDate": "soon"}, "users[1] (line 1): employeeHireDate takes"),
        ({"mail": "b@x.example"}, "users[1] (line 1): userPrincipalName has no value"),
        ({"mail": {"a": [[[1]]]}}, "users[1] (line 1): it nests deeper than 4 levels."),
        (["b"], "users[1] (line 1): an object is expected, not “[\"b\"]”."),
        (None, "users[1] (line 1): an object is expected, not “null”."),
        ({"otherMails": ["x"] * 251, "userPrincipalName": "b@x.example"}, "users[1] (line 1): otherMails has more"),
        ({str(number): "x" for number in range(201)}, "users[1] (line 1): it has 201 attributes; 200 are the limit."),
    ],
)  # fmt: skip
def test_a_malformed_object_is_named_and_the_others_are_read(item: Any, sentence: str) -> None:
    source = json_file({"users": [{"userPrincipalName": "a@x.example"}, item, {"userPrincipalName": "c@x.example"}]})
    assert names_of(source) == ["a@x.example", "c@x.example"]
    assert source.problems[0].startswith(sentence)


def test_an_attribute_that_stands_twice_costs_its_object() -> None:
    source = read_file("a.json", b'[{"userPrincipalName":"a@x.example","mail":"a","mail":"b"}]')
    assert source.problems == ("users[0] (line 1): “mail” stands in it twice. It is not read.",)


# ---------------------------------------------------------------- unknown columns, duplicates


def test_an_unknown_column_is_refused_by_name_and_the_rest_is_read() -> None:
    source = csv_file("userPrincipalName,dispalyName,shoeSize,\na@x.example,A,44,\n")
    assert source.problems == (
        "Line 1, column 2: “dispalyName” is no attribute of a user. Did you mean displayName? The column is not read.",
        "Line 1, column 3: “shoeSize” is no attribute of a user. The column is not read.",
        "Line 1, column 4: The column has no name. The column is not read.",
    )
    assert dict(users_of(source)[0].attributes) == {"userPrincipalName": "a@x.example"}


def test_an_unknown_attribute_of_json_is_told_once() -> None:
    source = json_file([{"userPrincipalName": f"p{number}@x.example", "depatment": "Sales"} for number in range(50)])
    (problem,) = source.problems
    assert problem == (
        "users[0] (line 1): “depatment” is no attribute of a user. Did you mean department? It is not read, here and "
        "in other objects."
    )
    assert source.count(ObjectKind.USER, None) == 50


def test_an_unknown_part_of_a_document_is_named() -> None:
    source = json_file({"users": [], "devices": [{"id": "d"}], "about": {}, "sites": []})
    assert source.problems == ("Line 1: “devices” is neither users nor groups; it is not read.",)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            "ann@x.example,,Ann\nbob@x.example,,B\nANN@x.example,,Anna\n",
            "Lines 2 and 4 have the same userPrincipalName, “ANN@x.example”, and differ: neither is read, as nobody",
        ),
        (
            "ann@x.example,7,Ann\nbob@x.example,,B\nanna@x.example,7,Anna\n",
            "Lines 2 and 4 have the same id, “7”, and differ: neither is read, as nobody can tell which is meant.",
        ),
    ],
)
def test_rows_that_claim_one_identity_are_both_named_and_left_out(rows: str, sentence: str) -> None:
    source = csv_file("userPrincipalName,employeeId,displayName\n" + rows)
    assert [problem.startswith(sentence) for problem in source.problems] == [True]
    assert names_of(source) == ["bob@x.example"]
    assert source.count(ObjectKind.USER, None) == 1
    assert source.read_one(ObjectKind.USER, "ann@x.example") is None


@pytest.mark.parametrize(
    "rows",
    ["1,ann@x.example\n1,bob@x.example\n2,bob@x.example\n", "1,ann@x.example\n2,bob@x.example\n1,bob@x.example\n"],
)
def test_rows_that_are_doubles_of_one_another_in_a_chain_are_all_left_out(rows: str) -> None:
    source = csv_file(f"employeeId,userPrincipalName\n{rows}3,cyd@x.example\n")
    assert len(source.problems) == 2 and names_of(source) == ["cyd@x.example"]
    assert source.count(ObjectKind.USER, None) == 1


def test_equal_rows_count_once_and_lose_nothing() -> None:
    source = csv_file(HEADER + "a@x.example,A,,\n" * 2)
    assert names_of(source) == ["a@x.example"]
    assert source.problems == ()
    assert source.notices == ("Line 3 repeats line 2; it was read once.",)


def test_problems_come_with_the_page_of_their_rows() -> None:
    rows = [f"p{number}@x.example,P,,\n" for number in range(30)]
    rows[2] = "broken\n"
    rows[15] = "broken\n"
    rows[29] = "broken\n"
    source = csv_file(HEADER + "".join(rows))
    told, after = [], None
    while True:
        page = source.read(ObjectKind.USER, None, after, 10)
        told.append([problem.split()[1] for problem in page.problems])
        after = page.next_after
        if after is None:
            break
    assert told == [["4"], ["17"], ["31"]]


def test_only_so_many_problems_are_listed() -> None:
    source = read_file("a.csv", (HEADER + "broken\n" * 50).encode(), limits=FileLimits(problems=10))
    assert len(source.problems) == 11
    assert source.problems[-1] == "40 more problems are not listed."


# ---------------------------------------------------------------- files that are refused whole


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "The file is empty."),
        ("a.csv", b"\n\n", "The file is empty."),
        ("a.csv", b"mail,displayName\n", "The header (line 1) has no column userPrincipalName; it reads “mail"),
        ("a.csv", b"<!DOCTYPE html>\n<html>", "The header (line 1) has no column userPrincipalName; it reads “<"),
        ("a.csv", b'userPrincipalName,"mail\n', "Line 1, the header, is no row of CSV: “userPrincipalName,\"mail”."),
        ("a.csv", b"userPrincipalName,mail,Mail\n", "Columns 2 and 3 of the header are both mail."),
        ("a.csv", b"userPrincipalName,officeLocation,physicalDeliveryOfficeName\n", "Columns 2 and 3 of the"),
        ("a.csv", b"userPrincipalName" + b",x" * 200, "The header has 201 columns; 200 are the limit."),
        ("a.csv", b"\xff\xfeu\x00s\x00\x00\xd8", "From line 1 on the file is not valid utf-16"),
        ("a.json", b"  ", "The file is empty."),
        ("a.json", b"<html>", "Line 1, column 1: this is no JSON (an object with users and groups is expected)."),
        ("a.json", b"12", "Line 1, column 1: this is no JSON (an object with users and groups is expected)."),
        ("a.json", b'{"users": [\n{"userPrincipalName": "a@x.example",}]}', "Line 2, column 3"),
        ("a.json", b'{"users": [{}', "Line 1, column 14: this is no JSON (a comma or ] is expected)."),
        ("a.json", b'{"users": []', "Line 1, column 13: this is no JSON (a comma or } is expected)."),
        ("a.json", b'{"users": []} x', "Line 1, column 15: this is no JSON (nothing is expected after the end)."),
        ("a.json", b'{"users": {}}', "Line 1, column 11: this is no JSON (users must be a list)."),
        ("a.json", b'{1: []}', "Line 1, column 3: this is no JSON (a name in quotation marks is expected)."),
        ("a.json", b'{"users" []}', "Line 1, column 10: this is no JSON (: is expected)."),
        ("a.json", b'{"people": []}', "The file has neither a list \"users\" nor a list \"groups\"."),
        ("a.json", b'[NaN]', "NaN is no value of JSON."),
        ("a.json", b'[' + b'9' * 5_000 + b']', "The file holds a value that is too long to be read"),
        ("a.json", b"[" * 100_000, "The file nests lists and objects too deeply to be read."),
        ("a.json", b"\xff\xfe[\x00\x00\xd8", "The file is not valid utf-16"),
        ("a.xlsx", b"PK", "“a.xlsx” ends in none of .csv, .json and .ldif."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_file(name, content)
    assert refused.value.sentence.startswith(sentence)
    assert refused.value.remedy
    assert refused.value.code == "InvalidFile"


@pytest.mark.parametrize(
    ("name", "content", "limits", "sentence"),
    [
        ("a.csv", b"x" * 101, FileLimits(csv_bytes=100), "The file has 101 bytes; 100 are the limit."),
        ("a.json", b"x" * 101, FileLimits(json_bytes=100), "The file has 101 bytes; 100 are the limit."),
        ("a.csv", HEADER.encode() + b"a@x,,,\nb@x,,,\n", FileLimits(rows=1), "The file has more than 1 rows."),
        ("a.json", b"[{},{}]", FileLimits(rows=1), "The file has more than 1 rows."),
    ],
)
def test_a_file_beyond_the_limits_is_refused(name: str, content: bytes, limits: FileLimits, sentence: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_file(name, content, limits=limits)
    assert refused.value.sentence == sentence


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"people.csv cannot be read: No such file or directory."):
        open_file(tmp_path / "people.csv")


def test_a_file_on_disk_is_read_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(render_users_csv(make_directory(20)))
    source = open_file(path)
    path.unlink()
    assert source.count(ObjectKind.USER, None) == 20
    assert source.name == "people.csv"
    source.close()


def test_group_rows_are_put_together_by_id() -> None:
    source = read_file(
        "groups.csv",
        b"groupId,displayName,memberId\ng1,One,u1\ng2,Two,\ng1,One,u2\ng1,One,u1\n,Three,u1\ng4,,u1\n",
    )
    groups = source.read(ObjectKind.GROUP, None, None, 10).changes
    assert [(group.source_id, group.references["members"]) for group in groups] == [
        ("g1", ("u1", "u2")),
        ("g2", ()),
        ("group:three", ("u1",)),
    ]
    assert source.problems == (
        "Line 7, column 2 (displayName): has no value, and nobody is without one. The row is not read.",
    )
    assert source.read(ObjectKind.GROUP, None, None, 10).problems == source.problems


def test_a_file_in_utf_8_that_was_cut_off_within_a_character_is_not_taken_for_windows_1252() -> None:
    source = read_file("staff.csv", (HEADER + "a@x.example,A,,\n").encode() + "b@x.example,Jör".encode()[:-2])
    assert [each.attributes["displayName"] for each in users_of(source)] == ["A"]
    assert not source.is_complete() and source.problems[0].startswith("Line 3")


def test_one_object_a_line_is_refused_with_what_to_do() -> None:
    with pytest.raises(FileRefused, match="one object a line") as caught:
        read_file("staff.json", b'{"userPrincipalName": "a@x.example"}\n{"userPrincipalName": "b@x.example"}\n')
    assert "one list" in caught.value.remedy
