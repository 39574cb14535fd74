"""The figures of `make bench` read the same for people and for programs."""

import json

import pytest

from bench.floor import Goal, Result, as_object


def test_a_figure_is_an_object_whose_goal_is_a_bound() -> None:
    figure = as_object(Result("push", 150.0, "ms", 100.0, Goal("ratio", at_most=1.5)))

    assert json.loads(json.dumps(figure)) == {
        "name": "push",
        "value": 150.0,
        "unit": "ms",
        "floor": 100.0,
        "ratio": 1.5,
        "goal": "<=1.5",
        "goal_of": "ratio",
        "met": True,
    }


@pytest.mark.parametrize(
    ("goal", "text", "met"),
    [
        pytest.param(Goal("ratio", at_least=0.9), ">=0.9", False, id="a ratio that is too low"),
        pytest.param(Goal("value", at_most=48), "<=48", True, id="a value, whatever the floor"),
    ],
)
def test_a_goal_is_of_the_ratio_or_of_the_value(goal: Goal, text: str, met: bool) -> None:  # noqa: FBT001 - a case
    figure = as_object(Result("x", 40.0, "MB", 80.0, goal))

    assert (figure["goal"], figure["met"]) == (text, met)
