"""What runs as root on a gateway is named and reviewed: the agent's dependencies, all the way down."""

import re
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

LISTED = Path(__file__).parents[2] / "agent" / "dependencies.txt"
OWN = {"bartizan", "bartizan-agent"}
EXTRAS = {
    "mdns": {"zeroconf", "ifaddr"},
    # SNMPv3 is not written a second time. Only sites with managed switches install it, and only a process that lives
    # for seconds imports it: it costs 17 MB, and the agent that runs for months has a budget of 64.
    "snmp": {"pysnmp", "pyasn1"},
}
"""What each extra brings besides, and why it is none of the agent's own dependencies."""


def test_the_list_is_what_the_agent_really_brings() -> None:
    """A distribution more, or one less, is a decision: change agent/dependencies.txt and say why in the commit."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    listed = [line.split()[0] for line in lines if line and not line.startswith("#")]

    assert listed == sorted(listed)
    assert set(listed) == resolved("bartizan-agent") - OWN


def test_each_is_listed_with_what_it_is_for() -> None:
    lines = [line for line in LISTED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]

    assert [line for line in lines if not re.match(r"[a-z0-9-]+ +# \S", line)] == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_was_decided(extra: str) -> None:
    assert resolved("bartizan-agent", extra) - resolved("bartizan-agent") == EXTRAS[extra]


def test_there_are_no_other_extras() -> None:
    assert set(metadata("bartizan-agent").get_all("Provides-Extra") or ()) == set(EXTRAS)


def resolved(root: str, extra: str = "") -> set[str]:
    """Every distribution that `root` needs here with one of its extras or none, by its normal name."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in requires(name) or ():
            requirement = Requirement(text)
            wanted = {"extra": extra if name == root else ""}
            if requirement.marker is None or requirement.marker.evaluate(wanted):
                waiting.append(re.sub(r"[-_.]+", "-", requirement.name).lower())
    return found
