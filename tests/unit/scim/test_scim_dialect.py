from __future__ import annotations

import json

import pytest

from muster.scim.dialect import (
    ENTRA,
    ENTRA_LEGACY,
    Dialect,
    DialectInvalid,
    PatchForm,
    UpdateMethod,
    overlay,
    read_dialect,
)


def test_an_empty_document_is_the_standard() -> None:
    assert read_dialect({}) == Dialect()


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        ENTRA,
        ENTRA_LEGACY,
        Dialect(
            update=UpdateMethod.PUT,
            booleans_as_text=True,
            filterable={"User": ("userName",)},
            requests_per_second=2.5,
            can_list=False,
            media_type="application/json",
        ),
    ],
)
def test_a_dialect_survives_json(dialect: Dialect) -> None:
    assert read_dialect(json.loads(json.dumps(dialect.to_document()))) == dialect


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"update": "post"}, "update"),
        ({"patch_form": "odd"}, "patch_form"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"concurrency": "8"}, "concurrency"),
        ({"can_list": "yes"}, "can_list"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"requests_per_second": False}, "requests_per_second"),
        ({"paths": {"User": "Users"}}, "paths"),
        ({"paths": []}, "paths"),
        ({"filterable": {"User": "userName"}}, "filterable"),
        ({"filterable": {"User": [1]}}, "filterable"),
        ({"filterable": 1}, "filterable"),
        ({"media_type": "json"}, "media_type"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(document: dict[str, object], named: str) -> None:
    with pytest.raises(DialectInvalid, match=named):
        read_dialect(document)


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        (frozenset(), PatchForm.STANDARD),
        (frozenset({"aadOptscim062020"}), PatchForm.ENTRA_2020),
        (frozenset({"AzureAdScimPatch062020"}), PatchForm.ENTRA_2020),
        (frozenset({"AzureAdScimPatch2017"}), PatchForm.ENTRA_LEGACY),
    ],
)
def test_flags_of_the_tenant_url_choose_the_form(flags: frozenset[str], form: PatchForm) -> None:
    assert Dialect().with_flags(flags).patch_form is form


def test_an_attribute_may_be_filtered_unless_the_dialect_lists_others() -> None:
    dialect = Dialect(filterable={"User": ("userName",)})
    assert dialect.may_filter("User", "userName")
    assert not dialect.may_filter("User", "title")
    assert dialect.may_filter("Group", "displayName")


def test_what_somebody_sets_lies_over_what_was_there() -> None:
    base = Dialect(can_delete=False)
    assert overlay(base, {"update": "put"}) == Dialect(can_delete=False, update=UpdateMethod.PUT)
