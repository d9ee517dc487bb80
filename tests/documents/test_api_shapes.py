"""Every call of the API has its shapes, and the reference page is made from them."""

import json
import re

from documents.reading import DOCS
from muster.web.graph.openapi import make_document
from muster.web.graph.openapi_calls import ANSWER_TYPES, ANSWERS, BODIES, BODY_TYPES, SOMETIMES
from muster.web.graph.openapi_schemas import SCHEMAS
from muster.web.graph.reference import make_reference
from muster.web.graph.routes import ROUTES


def test_every_call_has_its_shapes_and_no_shape_is_left_of_a_call_that_is_gone() -> None:
    calls = {(route.method, route.path) for route in ROUTES}
    counts = {call for call in calls if call[1].endswith("$count")}
    assert set(ANSWERS) | set(ANSWER_TYPES) | counts == calls
    assert set(BODIES) | set(BODY_TYPES) == {call for call in calls if call[0] in ("POST", "PUT", "PATCH")}
    names = {name.rpartition(":")[2].removesuffix("[]") for name in ANSWERS.values()}
    names |= {name.removesuffix("?") for name in BODIES.values()}
    names |= {name.rpartition(":")[2] for name in SOMETIMES.values()}
    assert set(SOMETIMES) <= calls
    assert names - {""} <= set(SCHEMAS)
    document = json.dumps(make_document("https://muster.example", "TENANT"))
    named = set(re.findall(r"#/components/schemas/(\w+)", document))
    assert named == set(SCHEMAS)


def test_the_reference_page_is_the_one_that_the_routes_make() -> None:
    written = (DOCS / "api-reference.md").read_text(encoding="utf-8")
    assert written == make_reference(), "the routes have changed: run make reference"
