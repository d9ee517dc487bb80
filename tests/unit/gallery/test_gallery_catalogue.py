from __future__ import annotations

import pytest

from muster.gallery.catalogue import (
    FILE_TEMPLATE_ID,
    GENERIC_TEMPLATE_ID,
    GalleryPage,
    all_pages,
    clients_page,
    find,
    find_inbound,
    sources,
)
from muster.gallery.page import Origin, Protocol
from muster.model.directory import ATTRIBUTES_OF, AttributeType, ObjectKind
from muster.model.rules import FlowType, Mutability, ObjectAction
from muster.model.schema_document import read_schema
from muster.planning.checks import find_mapping_problems
from muster.planning.rules import compile_rules
from muster.scim.dialect import Dialect
from muster.scim.mapping_paths import parse_mapping_path

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SITE = "urn:ietf:params:scim:schemas:extension:8x8:1.1:User:site"


def _tag(page: GalleryPage) -> str:
    return page.job_template_id


PAGES = [*all_pages(), clients_page(), *(page for page in (find_inbound("file"),) if page is not None), *sources()]


@pytest.mark.parametrize("page", PAGES, ids=_tag)
def test_the_rules_of_every_page_can_be_used(page: GalleryPage) -> None:
    document = page.schema_document()
    assert page.schema_document() == document
    if not page.rules["objects"]:
        assert page.protocol is Protocol.PROPRIETARY
        return
    rules = compile_rules(read_schema(document))
    assert find_mapping_problems(read_schema(document), page.dialect.filterable) == ()
    assert ObjectKind.USER in rules.kinds
    for kind in rules.kinds.values():
        assert kind.matching, kind.mapping.name
        assert page.dialect.may_filter(kind.kind.value, kind.matching[0].attribute)


@pytest.mark.parametrize("page", [page for page in all_pages() if page.protocol is Protocol.SCIM], ids=_tag)
def test_every_target_attribute_of_a_scim_application_is_a_path(page: GalleryPage) -> None:
    schema = read_schema(page.schema_document())
    for objects in schema.directories.values():
        for definition in objects:
            for attribute in definition.attributes:
                assert parse_mapping_path(attribute.name).attribute


@pytest.mark.parametrize("page", PAGES, ids=_tag)
def test_every_page_says_what_it_knows_and_from_where(page: GalleryPage) -> None:
    assert page.description.endswith(".") and page.publisher and page.categories
    assert page.facts and all(fact.value and fact.source for fact in page.facts)
    for item in page.rules["objects"]:
        for attribute in item["attributes"]:
            is_mapped = "expression" in attribute
            assert (page.origin_of(item["source"], attribute["name"]) is not None) is is_mapped


def test_no_two_pages_share_an_id_a_tag_a_name_or_a_rule() -> None:
    for names in (
        [page.id for page in PAGES],
        [page.job_template_id for page in PAGES],
        [page.display_name.lower() for page in PAGES],
        [page.rules["ruleId"] for page in PAGES],
    ):
        assert len(set(names)) == len(names)


def test_the_gallery_has_the_known_applications_and_the_custom_one() -> None:
    assert len(all_pages()) == 59
    documented = [page for page in all_pages() if page.rules.get("origin", "documented") == "documented"]
    assert [page.display_name for page in documented] == ["8x8", "Custom"]


@pytest.mark.parametrize(
    ("name", "is_supported", "said"),
    [
        ("8x8", True, None),
        ("Zendesk", False, "no SCIM interface"),
        ("Slack", True, None),
        ("SAP Cloud Identity Services", True, None),
    ],
)
def test_what_cannot_be_provisioned_stays_listed_and_says_why(name: str, is_supported: bool, said: str | None) -> None:
    page = find(name)
    assert page is not None and page in all_pages()
    assert page.supports_provisioning is is_supported
    assert (page.why_not_provisioned is None) if said is None else (said in str(page.why_not_provisioned))


def test_where_a_default_mapping_comes_from_is_told() -> None:
    asana, eight = find("asana"), find("8x8")
    assert asana is not None and eight is not None
    assert asana.origin_of("User", "userName") is Origin.DERIVED
    assert eight.origin_of("User", "userName") is Origin.DOCUMENTED
    assert eight.origin_of("User", "locale") is None and eight.origin_of("Group", "displayName") is None


def test_an_application_without_a_switch_for_accounts_says_so_in_its_schema() -> None:
    page = find("contentful")
    assert page is not None
    schema = read_schema(page.schema_document())
    users = schema.rules[0].object_mappings[0]
    definition = schema.object_definition("Contentful", users.target_object)
    assert definition is not None and not definition.soft_deletes
    assert page.capabilities.remove_users is None and page.capabilities.create_users is True


def test_pages_are_found_by_template_id_job_template_id_and_name() -> None:
    page = find("8x8")
    assert page is not None
    assert find(page.id) is page
    assert find("8X8") is page
    assert find("nobody") is None
    generic = find(GENERIC_TEMPLATE_ID)
    assert generic is not None and generic.job_template_id == "scim" and find("scim") is generic


def test_the_file_import_is_no_application_of_the_gallery() -> None:
    page = find_inbound("file")
    assert page is not None and page.id == FILE_TEMPLATE_ID
    assert page not in all_pages()
    assert find_inbound("8x8") is None and find_inbound("nobody") is None


def test_a_kind_of_source_says_what_it_asks_for_and_is_no_application() -> None:
    page = find_inbound("folder")
    assert page is not None and page in sources() and page.is_source
    assert page not in all_pages()
    folder, content, _ = page.connection
    assert folder.required and not folder.is_secret
    assert content.default in content.choices
    imports = find_inbound("file")
    assert imports is not None and not imports.is_source


@pytest.mark.parametrize("page", sources(), ids=_tag)
def test_every_field_of_a_connection_can_be_filled_in(page: GalleryPage) -> None:
    names = [field.name for field in page.connection]
    assert len(set(names)) == len(names)
    for field in page.connection:
        assert field.label and (field.required or field.default is not None or field.hint)
        assert not field.choices or field.default in field.choices


def test_8x8_is_what_its_tutorial_says() -> None:
    page = find("8x8")
    assert page is not None
    assert not page.accepts_default_access
    assert [(role.display_name, role.value) for role in page.app_roles] == [("User", "User"), ("msiam_access", None)]
    assert page.dialect == Dialect(filterable={"User": ("userName", "externalId")})
    schema = read_schema(page.schema_document())
    (users,) = schema.rules[0].object_mappings
    assert users.kind is ObjectKind.USER and users.actions == frozenset(ObjectAction)
    assert {item.target_attribute: item.expression for item in users.attribute_mappings} == {
        "userName": "[userPrincipalName]",
        "externalId": "[objectId]",
        "active": "Not([IsSoftDeleted])",
        "title": "[jobTitle]",
        'emails[type eq "work"].value': "[mail]",
        "name.givenName": "[givenName]",
        "name.familyName": "[surname]",
        'phoneNumbers[type eq "mobile"].value': "[mobile]",
        'phoneNumbers[type eq "work"].value': "[telephoneNumber]",
        f"{ENTERPRISE}:department": "[department]",
        SITE: "[physicalDeliveryOfficeName]",
    }
    assert [item.target_attribute for item in users.attribute_mappings if item.matching_priority] == ["userName"]
    assert [i.target_attribute for i in users.attribute_mappings if i.flow_type is FlowType.OBJECT_ADD_ONLY] == [SITE]
    definition = schema.object_definition("8x8", ENTERPRISE)
    assert definition is not None
    # The thirteen of the tutorial and the key; locale and timezone are there to be mapped.
    assert len(definition.attributes) == 14
    assert [item.name for item in definition.attributes if item.type is AttributeType.BOOLEAN] == ["active"]
    assert [item.name for item in definition.attributes if item.mutability is Mutability.IMMUTABLE] == [SITE]
    assert {item.name for item in definition.attributes if item.required} == {
        "userName",
        "name.givenName",
        "name.familyName",
        'emails[type eq "work"].value',
    }


def test_the_generic_application_carries_people_with_managers_and_groups_with_members() -> None:
    page = find(GENERIC_TEMPLATE_ID)
    assert page is not None and page.accepts_default_access
    schema = read_schema(page.schema_document())
    users, groups = schema.rules[0].object_mappings
    by_target = {item.target_attribute: item.expression for item in users.attribute_mappings}
    assert len(by_target) == 22
    assert by_target["active"] == 'Switch([IsSoftDeleted], , "False", "True", "True", "False")'
    assert by_target["externalId"] == "[mailNickname]"
    assert by_target[f"{ENTERPRISE}:manager"] == "[manager]"
    assert {item.target_attribute: item.expression for item in groups.attribute_mappings} == {
        "displayName": "[displayName]",
        "externalId": "[objectId]",
        "members": "[members]",
    }
    members = schema.object_definition("SCIM", groups.target_object)
    assert members is not None
    definition = members.attribute("members")
    assert definition is not None and definition.multivalued and definition.referenced == (ENTERPRISE,)


def test_the_file_import_maps_columns_one_to_one_adds_and_updates_and_never_removes() -> None:
    page = find_inbound("file")
    assert page is not None
    schema = read_schema(page.schema_document())
    for mapping, references in zip(
        schema.rules[0].object_mappings, ({"manager", "isSoftDeleted"}, {"members", "memberGroups"}), strict=True
    ):
        assert mapping.actions == {ObjectAction.ADD, ObjectAction.UPDATE}
        assert all(item.expression == f"[{item.target_attribute}]" for item in mapping.attribute_mappings)
        writable = {item.name for item in ATTRIBUTES_OF[mapping.kind].values() if item.writable}
        assert {item.target_attribute for item in mapping.attribute_mappings} == writable | references
    matching = [
        item.target_attribute
        for mapping in schema.rules[0].object_mappings
        for item in mapping.attribute_mappings
        if item.matching_priority == 1
    ]
    assert matching == ["userPrincipalName", "displayName"]
