"""The peers' vectors of the language, where the suite is at hand."""

import re
from datetime import datetime
from typing import Any

import pytest

from muster.expression.evaluate import EvaluationError, FlowMarker, evaluate
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.expression.values import plain_text
from unit.expression.expression_support import NOW, agrees, an_environment, as_values, vectors


def environment_of(vector: dict[str, Any]) -> Any:
    taken = vector.get("taken")
    return an_environment(
        now=datetime.fromisoformat(vector["now"]) if "now" in vector else NOW,
        is_taken=None if taken is None else taken.__contains__,
    )


@pytest.mark.parametrize("vector", vectors("expressions.jsonl"), ids=lambda vector: vector["id"])
def test_an_expression_of_the_peers_suite_gives_its_answer(vector: dict[str, Any]) -> None:
    attributes = as_values(vector["attrs"])
    if vector.get("expect_error"):
        with pytest.raises((ExpressionSyntaxError, EvaluationError)):
            evaluate(parse_expression(vector["expr"]), attributes, environment_of(vector))
        return
    got = evaluate(parse_expression(vector["expr"]), attributes, environment_of(vector))
    if vector.get("expect_absent"):
        assert got is None or isinstance(got, FlowMarker)
    elif "expect_re" in vector:
        assert re.search(vector["expect_re"], plain_text(got))
    else:
        wanted = vector.get("expect_any", [vector.get("expect")])
        assert any(agrees(got, item) for item in wanted), got
    if "expect_log" in vector:
        assert str(got) == vector["expect_log"]
