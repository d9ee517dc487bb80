"""No licence of a part goes against ours, the bill of materials names all parts, and the audit says what it found."""

import re

import pytest

from documents.advisories import judge
from documents.licences import assets, complete, licence_of, pinned
from documents.reading import SOURCE

# Whoever passes Muster on has to do no more for these than to name them; LGPL and MPL want their own files kept free,
# which a package that is installed beside ours, unchanged, is.
TAKEN = {"MIT", "MIT-0", "0BSD", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Apache-2.0", "PSF-2.0", "MPL-2.0"} | {
    "LGPL-3.0-only"
}


def test_every_licence_goes_with_ours() -> None:
    licences = {name: licence for name, _ in pinned() if (licence := licence_of(name)) is not None}
    licences |= {name: licence for name, _, licence in assets()}
    parts = {
        name: set(re.split(r" (?:AND|OR) ", licence.strip("()").replace("(", "").replace(")", "")))
        for name, licence in licences.items()
    }
    assert {name: found for name, found in parts.items() if not found <= TAKEN} == {}
    assert len(licences) > 40


def test_the_assets_that_lie_in_the_source_are_all_listed() -> None:
    files = {path.name for path in (SOURCE / "ui" / "static" / "vendor").iterdir()} - {"README.md"}
    listed = (SOURCE / "ui" / "static" / "vendor" / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(files) if f"`{name}`" not in listed] == []
    assert [name for name, _, _ in assets()] == ["htmx.org", "@tabler/core", "uplot", "@tabler/icons"]


def test_the_bill_of_materials_names_licences_and_assets() -> None:
    made = complete(
        {"bomFormat": "CycloneDX", "components": [{"name": "greenlet"}, {"name": "flask"}, {"name": "none such"}]}
    )
    names = {each["name"]: each.get("licenses") for each in made["components"]}
    assert names["flask"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert names["greenlet"] == [{"expression": "MIT AND PSF-2.0"}]
    assert names["none such"] is None
    assert names["htmx.org"] == [{"license": {"id": "0BSD"}}]


SOUND = {"name": "falcon", "version": "4.3", "vulns": []}
UNKNOWN = {"name": "aiosmtpd", "skip_reason": "Dependency not found on PyPI and could not be audited"}
FLAWED = {
    "name": "pip",
    "version": "20.0",
    "vulns": [{"id": "PYSEC-2", "fix_versions": ["21.1"]}, {"id": "PYSEC-1", "fix_versions": []}],
}


@pytest.mark.parametrize(
    ("found", "is_well", "told"),
    [
        ([SOUND], True, ["Packages asked about: 1. Known flaws: 0."]),
        ([SOUND, UNKNOWN, UNKNOWN], True, ["are 1: aiosmtpd.", "asked about: 1."]),
        ([UNKNOWN], False, ["are 1: aiosmtpd.", "asked about: 0. Known flaws: nobody could say."]),
        (
            [SOUND, UNKNOWN, FLAWED],
            False,
            ["pip 20.0 has PYSEC-1, mended in no version yet", "PYSEC-2, mended in 21.1", "aiosmtpd", "flaws: 2."],
        ),
    ],
)
def test_an_audit_fails_for_a_flaw_or_where_nothing_was_known_and_names_what_was_not(
    found: list[dict[str, object]], is_well: bool, told: list[str]
) -> None:
    judged, lines = judge({"dependencies": found})
    assert judged is is_well
    assert all(part in line for part, line in zip(told, lines, strict=True))
