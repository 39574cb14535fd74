"""What runs as root on a gateway is named and reviewed: the agent's dependencies, all the way down."""

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

LISTED = Path(__file__).parents[2] / "agent" / "dependencies.txt"
OWN = {"bartizan", "bartizan-agent"}


def test_the_list_is_what_the_agent_really_brings() -> None:
    """A distribution more, or one less, is a decision: change agent/dependencies.txt and say why in the commit."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    listed = [line.split()[0] for line in lines if line and not line.startswith("#")]

    assert listed == sorted(listed)
    assert set(listed) == resolved("bartizan-agent") - OWN


def test_each_is_listed_with_what_it_is_for() -> None:
    lines = [line for line in LISTED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]

    assert [line for line in lines if not re.match(r"[a-z0-9-]+ +# \S", line)] == []


def resolved(root: str) -> set[str]:
    """Every distribution that `root` needs here without extras, by its normal name."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(re.sub(r"[-_.]+", "-", requirement.name).lower())
    return found
