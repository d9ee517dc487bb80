"""Laws of the filter and path languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.cases import cases
from muster.scim.errors import ScimError
from muster.scim.evaluation import bind_filter, compile_filter, evaluate_filter
from muster.scim.filters import (
    And,
    AttributePath,
    Comparison,
    Filter,
    FilterOperator,
    Not,
    Or,
    Presence,
    ValuePath,
    parse_filter,
    render_filter,
)
from muster.scim.paths import PatchPath, parse_path, render_path
from muster.scim.resources import GENERIC_USER_TYPE
from muster.scim.schemas import ENTERPRISE_USER_URN

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in ("and", "or", "not")
)
paths = st.builds(
    AttributePath,
    schema=st.sampled_from([None, ENTERPRISE_USER_URN, "urn:x:1.0"]),
    attribute=names,
    sub_attribute=st.none() | names | st.just("$ref"),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = texts | st.booleans() | st.none() | numbers
comparisons = st.builds(Comparison, attribute=paths, operator=st.sampled_from(FilterOperator), value=values)
terms: st.SearchStrategy[Filter] = comparisons | st.builds(Presence, attribute=paths)


def _combined(parts: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, filter=parts) | st.builds(And, filters=several) | st.builds(Or, filters=several)


inner = st.recursive(terms, _combined, max_leaves=4)
filters = st.recursive(terms | st.builds(ValuePath, attribute=paths, filter=inner), _combined, max_leaves=8)


@cases(100)
@given(filters)
def test_a_rendered_filter_reads_as_itself(tree: Filter) -> None:
    assert parse_filter(render_filter(tree)) == tree


@cases(100)
@given(filters)
def test_a_rendered_filter_keeps_the_types_of_its_values(tree: Filter) -> None:
    assert render_filter(parse_filter(render_filter(tree))) == render_filter(tree)


@cases(100)
@given(
    st.builds(PatchPath, attribute=paths)
    | st.builds(
        PatchPath,
        attribute=st.builds(AttributePath, attribute=names),
        filter=inner,
        sub_attribute=st.none() | names,
    )
)
def test_a_rendered_path_reads_as_itself(path: PatchPath) -> None:
    assert parse_path(render_path(path)) == path


_pieces = st.sampled_from(
    ["userName", "eq", '"x"', "and", "or", "not", "(", ")", "[", "]", "emails", "type", ".value", "pr", "1"]
)


@cases(100)
@given(st.text(max_size=40) | st.lists(_pieces, max_size=12).map(" ".join))
def test_any_text_is_a_filter_or_refused_as_one(text: str) -> None:
    try:
        tree = parse_filter(text)
    except ScimError as refused:
        assert refused.scim_type == "invalidFilter"
    else:
        assert parse_filter(render_filter(tree)) == tree


@cases(100)
@given(st.text(max_size=40))
def test_any_text_is_a_path_or_refused_as_one(text: str) -> None:
    try:
        path = parse_path(text)
    except ScimError as refused:
        assert refused.scim_type in ("invalidPath", "invalidFilter")
    else:
        assert parse_path(render_path(path)) == path


_known = st.sampled_from(
    [
        AttributePath(attribute="userName"),
        AttributePath(attribute="title"),
        AttributePath(attribute="emails", sub_attribute="value"),
        AttributePath(attribute="emails"),
        AttributePath(schema=ENTERPRISE_USER_URN, attribute="department"),
    ]
)
_words = st.sampled_from(["a", "A", "b", "ab", ""])
_bindable = st.recursive(
    st.builds(Comparison, attribute=_known, operator=st.sampled_from(FilterOperator), value=_words)
    | st.builds(Presence, attribute=_known),
    _combined,
    max_leaves=6,
)
_documents = st.fixed_dictionaries(
    {"userName": _words},
    optional={
        "title": _words,
        "emails": st.lists(st.fixed_dictionaries({"value": _words}), min_size=1, max_size=2),
        ENTERPRISE_USER_URN: st.fixed_dictionaries({"department": _words}),
    },
)


@cases(100)
@given(_bindable, _documents)
def test_a_filter_and_its_negation_never_both_find(tree: Filter, document: dict[str, object]) -> None:
    found = evaluate_filter(tree, document, GENERIC_USER_TYPE)
    assert evaluate_filter(Not(filter=tree), document, GENERIC_USER_TYPE) is not found


@cases(100)
@given(_bindable, _documents)
def test_binding_twice_is_binding_once(tree: Filter, document: dict[str, object]) -> None:
    bound = bind_filter(tree, GENERIC_USER_TYPE)
    assert bind_filter(bound, GENERIC_USER_TYPE) == bound
    assert compile_filter(bound, GENERIC_USER_TYPE)(document) is evaluate_filter(tree, document, GENERIC_USER_TYPE)


@cases(100)
@given(_bindable, _bindable, _documents)
def test_and_and_or_are_those_of_logic(left: Filter, right: Filter, document: dict[str, object]) -> None:
    first, second = (evaluate_filter(tree, document, GENERIC_USER_TYPE) for tree in (left, right))
    both = And(filters=(left, right))
    either = Or(filters=(left, right))
    assert evaluate_filter(both, document, GENERIC_USER_TYPE) is (first and second)
    assert evaluate_filter(either, document, GENERIC_USER_TYPE) is (first or second)


@pytest.mark.parametrize("depth", [1, 32])
def test_nesting_up_to_the_limit_is_read(depth: int) -> None:
    assert parse_filter("(" * depth + "title pr" + ")" * depth) == Presence(attribute=AttributePath(attribute="title"))
