"""What `bartizan site show` says of a site's standby gateway."""

from typing import Any

import pytest

from bartizan.cli.site_show import standby_rows

READY = {
    "member": {"site": "hall-b", "gateway": None, "posture": None},
    "age_seconds": 12.4,
    "lacks": [],
    "differences": [],
}


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ([], "hall-b: ready to take over, measured 12 s ago"),
        (["it is away"], "hall-b: CANNOT TAKE OVER: it is away"),
        (
            ["it is away", "it holds generation 41 of the site's orders, not 42"],
            "hall-b: CANNOT TAKE OVER: it is away; it holds generation 41 of the site's orders, not 42",
        ),
    ],
)
def test_a_standby_is_ready_or_says_what_it_lacks(lacks: list[str], said: str) -> None:
    found: dict[str, Any] = {"serves": "hall", "standbys": [READY | {"lacks": lacks}]}

    assert list(standby_rows("hall", found)) == [("standby", said)]


@pytest.mark.parametrize(("connected", "has"), [(True, "; has 10.9.0.1, 10.9.0.3"), (False, "")])
def test_it_is_shown_which_gateway_has_the_shared_address(*, connected: bool, has: str) -> None:
    """One that lost its power had it; whether it still has nobody knows."""
    member = {
        "site": "hall-b",
        "gateway": {"connected": connected},
        "posture": {"addresses": ["10.9.0.1", "10.9.0.3"]},
    }
    found: dict[str, Any] = {"serves": "hall", "standbys": [READY | {"member": member}]}

    ((_, said),) = standby_rows("hall", found)

    assert said == f"hall-b: ready to take over, measured 12 s ago{has}"


def test_a_standby_itself_says_where_its_devices_are_counted() -> None:
    found: dict[str, Any] = {"serves": "hall", "standbys": []}

    assert list(standby_rows("hall-b", found)) == [("standby for", "hall: its devices are counted there")]


def test_what_a_standby_holds_otherwise_stands_below_it() -> None:
    differs = "cam1: it holds watch, the site's gateway isolate"
    found: dict[str, Any] = {"serves": "hall", "standbys": [READY | {"differences": [differs]}]}

    ((_, said),) = standby_rows("hall", found)

    assert said == f"hall-b: ready to take over, measured 12 s ago\n{differs}"
