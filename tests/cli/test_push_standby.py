"""What `bartizan push show` says of a push over sites of which one has a standby."""

from typing import Any

import pytest

from bartizan.cli.push import headline, rows

GOOD = {"told": True, "in_force": True, "differences": [], "at": 0.0}
TOLD = {"told": True, "in_force": False, "differences": [], "at": 0.0}
WRONG = {"told": True, "in_force": True, "differences": ["cam: its kernel holds watch"], "at": 0.0}
STAGES = [{"name": "canary", "sites": ["hall", "east"], "standbys": {"hall": ["hall-b"]}}]
MISSING = {"type": "standbys-away", "stage": "canary", "standbys": {"hall-b": "hall"}}


def push(standby: dict[str, Any] | None, *waiting: dict[str, Any]) -> dict[str, Any]:
    """Return a push that both sites' own gateways agree on."""
    sites = {"hall": GOOD, "east": GOOD} | ({"hall-b": standby} if standby else {})
    intent = {"policy": 7, "state": "running", "pause_reason": "", "stages": STAGES}
    return {"intent": intent, "sites": sites, "plan": {"waiting": list(waiting)}, "waiting": []}


@pytest.mark.parametrize(
    ("state", "agree"),
    [
        (push(GOOD), 2),
        (push(TOLD), 1),
        (push(WRONG), 1),
        (push(None), 1),
        (push(TOLD, MISSING), 2),
    ],
)
def test_a_site_counts_once_and_agrees_when_all_that_can_be_judged_do(state: dict[str, Any], agree: int) -> None:
    assert headline(state) == f"policy 7 is running, {agree} of 2 sites agree"


def test_a_standby_has_a_row_of_its_own_below_its_site() -> None:
    assert [row[1:3] + row[4:] for row in rows(push(WRONG))] == [
        ("hall", "agrees", ""),
        ("hall-b, standby of hall", "differs", "cam: its kernel holds watch"),
        ("east", "agrees", ""),
    ]
