"""The query of an address."""

import pytest

from muster.scim.errors import InvalidSyntax
from muster.scim.query import LIMIT_QUERY_CHARACTERS, LIMIT_QUERY_FIELDS, read_query


def test_names_and_values_are_decoded_and_the_last_of_a_name_counts() -> None:
    query = "filter=userName+eq+%22a%26b%22&count=1&count=2&&flag&caf%C3%A9=%2B"
    assert read_query(query) == {"filter": 'userName eq "a&b"', "count": "2", "flag": "", "café": "+"}
    assert read_query("") == {}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("a" * (LIMIT_QUERY_CHARACTERS + 1), f"the limit (query length) is {LIMIT_QUERY_CHARACTERS}"),
        ("&".join(["a=1"] * (LIMIT_QUERY_FIELDS + 1)), "more fields than the limit"),
        ("filter=%ff", "percent-encode it as UTF-8"),
    ],
    ids=["length", "fields", "bytes"],
)
def test_a_query_beyond_a_limit_or_that_is_no_text_is_refused(query: str, sentence: str) -> None:
    with pytest.raises(InvalidSyntax) as refused:
        read_query(query)
    assert sentence in str(refused.value)
