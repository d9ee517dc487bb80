"""Files in LDIF: people, groups, folded and encoded lines, and what is wrong with single entries."""

import random

import pytest

from muster.model.directory import ObjectKind
from muster.model.operation import Change
from muster.sources.files import FileSource, read_file
from muster.sources.rows import FileLimits, FileRefused

STAFF = """version: 1
# made by a directory

dn: uid=bob,ou=people,dc=x
objectClass: inetOrgPerson
uid: bob
cn: Bob
mail: bob@x.example
manager: uid=ada, OU=people,dc=x
employeeNumber: 7

dn: uid=ada,ou=people,dc=x
objectClass: top
objectClass: inetOrgPerson
uid: ada
cn;lang-en: Ada
displayName:: QWRhIEzDtm5n
mail: ada@
 x.example
title: Head of
  Law
l: London
pwdAccountLockedTime: 000001010000Z
jpegPhoto:: /9j/

dn: cn=sales,ou=groups,dc=x
objectClass: groupOfNames
cn: sales
member: uid=ada,ou=people,dc=x
member: cn=printer,dc=x
memberUid: bob

dn: ou=people,dc=x
objectClass: organizationalUnit
ou: people
"""


# Nobody of them is an entry of the file.
ALONE = """dn: cn=sales,ou=groups,dc=x
objectClass: groupOfNames
cn: sales
member: uid=ada,ou=people,dc=x
"""


def read(text: str, limits: FileLimits | None = None) -> FileSource:
    return read_file("staff.ldif", text.encode(), limits=limits)


def people(source: FileSource, kind: ObjectKind = ObjectKind.USER) -> dict[str, Change]:
    found = source.read(kind, None, None, 100).changes
    return {str(each.attributes.get("userPrincipalName") or each.attributes["displayName"]): each for each in found}


def test_people_and_groups_are_read_with_managers_and_members() -> None:
    source = read(STAFF)
    assert source.problems == ()
    found = people(source)
    ada, bob = found["ada@x.example"], found["bob@x.example"]
    assert (ada.attributes["displayName"], ada.attributes["jobTitle"], ada.attributes["city"]) == (
        *("Ada Löng", "Head of Law", "London"),
    )
    assert ada.attributes["accountEnabled"] is False and bob.attributes["accountEnabled"] is True
    assert bob.attributes["employeeId"] == "7" and bob.references["manager"] == (ada.source_id,)
    sales = people(source, ObjectKind.GROUP)["sales"]
    assert sales.references["members"] == (ada.source_id, bob.source_id)


def test_groups_within_groups_stand_apart_and_no_group_is_within_itself() -> None:
    source = read(
        f"{STAFF}\n"
        "dn: CN=Everyone,ou=groups,dc=x\nobjectClass: group\ncn: Everyone\n"
        "member: cn=sales, ou=groups,dc=x\nmember: uid=bob,ou=people,dc=x\nmember: cn=Everyone,ou=groups,dc=x\n"
    )
    found = people(source, ObjectKind.GROUP)
    (bob,) = (each.source_id for name, each in people(source).items() if name == "bob@x.example")
    assert found["Everyone"].references == {"members": (bob,), "memberGroups": (found["sales"].source_id,)}
    assert found["sales"].references["memberGroups"] == ()


@pytest.mark.parametrize(
    ("text", "limits", "is_read"),
    [
        (ALONE, FileLimits(), False),
        (ALONE.replace("member: uid=ada,ou=people,dc=x", "memberUid: ada"), FileLimits(), False),
        (f"{ALONE}\ndn: uid=bob,dc=x\nobjectClass: person\nmail: b@x.example\n", FileLimits(), True),
        (f"{ALONE}\ndn: uid=bob,dc=x\nobjectClass: person\nmail: b@x.example\n", FileLimits(is_partial=True), False),
        (STAFF, FileLimits(is_partial=True), True),
        (STAFF, FileLimits(is_partial=True, goes_on=True), False),
        (ALONE.replace("uid=ada,ou=people,dc=x", ""), FileLimits(is_partial=True, goes_on=True), True),
    ],
)
def test_a_group_whose_members_only_another_file_knows_is_not_emptied(
    text: str, limits: FileLimits, is_read: bool
) -> None:
    source = read(text, limits)
    assert ("sales" in people(source, ObjectKind.GROUP)) is is_read
    assert [each for each in source.problems if "is no entry of the file" in each] == list(source.problems)
    assert len(source.problems) == (not is_read)


def test_changes_leave_a_manager_whom_only_another_file_knows_and_members_of_whom_they_say_nothing() -> None:
    bob = STAFF.split("\n\n")[1]
    source = read(f"{bob}\n\ndn: cn=g,dc=x\nobjectClass: group\ncn: g\n", FileLimits(is_partial=True, goes_on=True))
    assert people(source)["bob@x.example"].references == people(source, ObjectKind.GROUP)["g"].references == {}
    (said,) = source.problems
    assert said.startswith(
        "Line 1 (“uid=bob,ou=people,dc=x”): the manager “uid=ada, OU=people,dc=x” is no entry of the"
    )


@pytest.mark.parametrize("limits", [FileLimits(is_partial=True), FileLimits(is_partial=True, goes_on=True)])
def test_an_empty_manager_takes_away_the_one_who_is_there(limits: FileLimits) -> None:
    bob = STAFF.split("\n\n")[1].replace("manager: uid=ada, OU=people,dc=x", "manager:")
    source = read(f"{bob}\n", limits)
    assert source.problems == ()
    assert people(source)["bob@x.example"].references == {"manager": ()}


def test_a_text_in_one_language_counts_where_none_is_for_all_and_a_machine_is_no_person() -> None:
    source = read(
        "dn: cn=a,dc=x\nobjectClass: person\ndisplayName;lang-nl: Jan\ndisplayName: John\ntitle;lang-nl: Baas\n"
        "mail: a@x.example\n\ndn: cn=pc,dc=x\nobjectClass: user\nobjectClass: computer\ncn: pc\n"
    )
    (found,) = people(source).values()
    assert (found.attributes["displayName"], found.attributes["jobTitle"]) == ("John", "Baas")
    assert source.problems == ()


def test_groups_of_one_name_in_two_places_are_not_taken_for_one() -> None:
    twin = "dn: cn=sales,ou=old,dc=x\nobjectClass: groupOfNames\ncn: Sales\nmember: uid=bob,ou=people,dc=x\n"
    source = read(f"{STAFF}\n{twin}")
    assert people(source, ObjectKind.GROUP) == {} and len(people(source)) == 2
    assert [each.partition(":")[0] for each in source.problems] == ["Line 26", "Line 37"]
    assert all("2 groups of the file are called" in each for each in source.problems)


def test_who_is_deleted_is_marked_and_disabled_accounts_of_active_directory_are() -> None:
    source = read(
        "dn: cn=a,dc=x\nchangetype: delete\nobjectClass: user\nmail: a@x.example\ncn: A\n\n"
        "dn: cn=b,dc=x\nobjectClass: user\nuserPrincipalName: b@x.example\ncn: B\nuserAccountControl: 514\n"
    )
    found = people(source)
    assert found["a@x.example"].attributes["isSoftDeleted"] is True
    assert found["b@x.example"].attributes["accountEnabled"] is False


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("objectClass: person\ncn: A", "Line 1 (“cn=wrong,dc=x”): userPrincipalName has no value"),
        ("objectClass: person\ncn: A\nmail: a@x.example\nwrong", "“wrong” is no attribute: value"),
        ("objectClass: person\nmail:: %%%", "is no attribute: value"),
        ("objectClass: person\njpegPhoto:< file:///etc/passwd\nmail: a@x.example", "is no attribute: value"),
        ("changetype: modify\nreplace: mail\nmail: a@x.example", "changetype “modify” is not read"),
        ("changetype: delete", "not told by a DN alone"),
    ],
)
def test_a_wrong_entry_is_named_with_its_line_and_the_others_are_read(entry: str, said: str) -> None:
    source = read(f"dn: cn=wrong,dc=x\n{entry}\n\n{STAFF.partition(chr(10) * 2)[2]}")
    assert len(people(source)) == 2
    assert len(source.problems) == 1 and said in source.problems[0] and source.problems[0].startswith("Line ")


@pytest.mark.parametrize("rest", ["", "on\nmail: b@x.exam"])
def test_a_file_that_was_cut_off_within_an_entry_says_so(rest: str) -> None:
    source = read(f"dn: cn=a,dc=x\nobjectClass: person\nmail: a@x.example\n\ndn: cn=b,dc=x\nobjectClass: pers{rest}")
    assert list(people(source)) == ["a@x.example"]
    assert source.problems == (
        f"Line {6 + rest.count(chr(10))}: the file ends within an entry: it was cut off. The entry is not read.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no entry"), ("# nothing\n", "holds no entry"), ("name,mail\n", "Line 1: an entry begins with dn")],
)
def test_what_is_no_ldif_is_refused(text: str, said: str) -> None:
    with pytest.raises(FileRefused, match=said):
        read(text)


def test_any_bytes_are_read_or_refused() -> None:
    chance = random.Random(5)
    for _ in range(400):
        data = bytearray(STAFF.encode())
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            source = read_file("staff.ldif", bytes(data))
        except FileRefused:
            continue
        source.read(ObjectKind.USER, None, None, 100)
        source.close()


def test_an_import_into_the_directory_takes_no_deleted_group_for_one_to_make() -> None:
    text = "dn: cn=g,dc=x\nchangetype: delete\nobjectClass: groupOfNames\ncn: g\n"
    source = read_file("staff.ldif", text.encode(), limits=FileLimits(of_directory=True))
    assert people(source, ObjectKind.GROUP) == {}
    assert source.problems == ("Line 1 (“cn=g,dc=x”): an import removes no group. The row is not read.",)
