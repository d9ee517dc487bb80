"""Laws of the server: whatever is sent is answered, in SCIM's own form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.scim_service import ScimService, generic_profile, profile_8x8
from laws.cases import cases
from muster.scim.bodies import compile_body_reader
from muster.scim.errors import ScimError
from muster.scim.messages import BULK_REQUEST_URN, MEDIA_TYPE, PATCH_URN, ScimRequest, read_body
from muster.scim.profile import ServerProfile
from muster.scim.readers import ReadingRules
from muster.scim.resources import GENERIC_USER_TYPE, USER_8X8_TYPE
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_URN, USER_8X8_MIRROR_URN, USER_8X8_URN, USER_URN
from muster.scim.validation import compile_document_reader

names = st.sampled_from(
    [
        "schemas",
        "id",
        "externalId",
        "meta",
        "userName",
        "name",
        "displayName",
        "title",
        "active",
        "emails",
        "phoneNumbers",
        "groups",
        "members",
        "password",
        "value",
        "type",
        "primary",
        "$ref",
        "givenName",
        "manager",
        "department",
        "site",
        "op",
        "path",
        "Operations",
        "method",
        "data",
        "bulkId",
        "x509Certificates",
        "roles",
        "nope",
        "name.givenName",
        USER_URN,
        ENTERPRISE_USER_URN,
        USER_8X8_URN,
        USER_8X8_MIRROR_URN,
        'emails[type eq "work"].value',
        "urn:x:y",
    ]
)
texts = st.text(max_size=6) | st.sampled_from(
    [
        "add",
        "Replace",
        "remove",
        "True",
        "1",
        "bulkId:a",
        "a",
        "/Users",
        "/Users/1",
        "POST",
        USER_URN,
        GROUP_URN,
        "members",
        'emails[type eq "work"]',
        "emails",
        "active",
        'members[value eq "1"]',
        "name.givenName",
        ENTERPRISE_USER_URN,
    ]
)
scalars = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts, inner, max_size=4), max_leaves=8
)
users = st.dictionaries(names, anything, max_size=4).map(lambda more: {"userName": "u", **more})
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Replace"])},
    optional={"path": names | texts, "value": anything},
)
patches = st.lists(operations, min_size=1, max_size=3).map(
    lambda several: {"schemas": [PATCH_URN], "Operations": several}
)
bulks = st.lists(
    st.fixed_dictionaries(
        {
            "method": st.sampled_from(["POST", "PATCH", "DELETE"]),
            "path": st.sampled_from(["/Users", "/Users/bulkId:a"]),
        },
        optional={"bulkId": st.sampled_from(["a", "b"]), "data": anything | users},
    ),
    max_size=3,
).map(lambda several: {"schemas": [BULK_REQUEST_URN], "Operations": several})
paths = st.sampled_from(
    [
        "/Users",
        "/Users/{id}",
        "/Groups",
        "/Groups/{group}",
        "/Users/.search",
        "/.search",
        "/",
        "/Bulk",
        "/Schemas",
        "/Me",
        "/ResourceTypes/User",
        "/ServiceProviderConfig",
        "/Users/nope",
        "//",
        "/Users//",
        "/\x00",
    ]
)
queries = st.dictionaries(
    st.sampled_from(["filter", "sortBy", "sortOrder", "startIndex", "count", "attributes", "excludedAttributes"]),
    names | texts | st.sampled_from(['userName eq "u"', "emails pr", "descending", "-1", "emails.value"]),
    max_size=3,
)

# What is sent in the words of the schema, now and then with something else among it.
plain_emails = st.fixed_dictionaries({}, optional={"value": texts, "type": texts, "primary": st.booleans()})
plain_users = st.fixed_dictionaries(
    {"userName": texts},
    optional={
        "title": texts | anything,
        "active": st.booleans() | anything,
        "name": st.fixed_dictionaries({}, optional={"givenName": texts, "familyName": texts}) | anything,
        "emails": st.lists(plain_emails, max_size=3) | anything,
        "schemas": st.just([USER_URN]) | anything,
        ENTERPRISE_USER_URN: st.fixed_dictionaries({}, optional={"department": texts, "manager": anything}),
        USER_8X8_URN: st.fixed_dictionaries({}, optional={"site": texts}),
    },
)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("named", ["generic", "8x8"])
@cases(100)
@given(sent=plain_users | users)
def test_a_body_that_is_read_at_once_says_what_it_says_value_by_value(
    named: str, strict: bool, sent: dict[str, Any]
) -> None:
    kind, rules = {"generic": GENERIC_USER_TYPE, "8x8": USER_8X8_TYPE}[named], ReadingRules(strict=strict)
    by_value = compile_document_reader(kind, rules)

    def outcome(read: Callable[[bytes], Any]) -> Any:
        try:
            return read(json.dumps(sent).encode())
        except ScimError as refused:
            return refused.to_document()

    assert outcome(compile_body_reader(kind, rules)) == outcome(lambda body: by_value(read_body(body, rules.limits)))


@pytest.mark.parametrize("profile", [generic_profile(), generic_profile(strict=True), profile_8x8()])
@cases(150)
@given(data=st.data())
def test_every_request_is_answered_in_scims_own_form(profile: ServerProfile, data: st.DataObject) -> None:
    service = ScimService(profile)
    known = {"id": service.make_user("seed"), "group": "1"}
    if len(profile.resource_types) > 1:
        known["group"] = service.make_group("Seed", [known["id"]])
    for _ in range(3):
        body: Any = data.draw(anything | users | patches | bulks)
        answer = service.server.answer(
            ScimRequest(
                method=data.draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])),
                path=data.draw(paths).format(**known),
                query=data.draw(queries),
                headers=data.draw(
                    st.dictionaries(st.sampled_from(["if-match", "if-none-match", "content-type"]), texts, max_size=2)
                ),
                body=data.draw(st.just(json.dumps(body).encode()) | st.binary(max_size=8)),
                base_url="https://scim.example",
            )
        )
        assert 200 <= answer.status < 500 or answer.status == 501
        if answer.body:
            document = json.loads(answer.body)
            assert answer.headers["Content-Type"] == MEDIA_TYPE
            assert document["schemas"]
            if answer.status >= 400:
                assert document["status"] == str(answer.status)
                assert document["detail"]
