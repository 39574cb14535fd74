"""Two gateways of one site, device by device: what a take-over would hold otherwise is named, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.policy.model import SegmentFacts, SiteFacts
from bartizan.policy.preview import Seen
from bartizan.wire.up import DevicePosture
from bartizan_controller.pushes.pairs import unlike

CAM = DeviceId("mac:020000000001")


def held(level: Level | None, *, because: str = "", interface: str = "cam0") -> tuple[Seen, ...]:
    """Return a camera that a gateway holds at a level."""
    posture = DevicePosture(CAM, level or Level.WATCH, level, not_enforceable_because=because)
    return (Seen(Device(CAM, Identity(), interface), posture),)


def facts(default: Level = Level.WATCH, interface: str = "cam0") -> SiteFacts:
    """Return a site with one segment."""
    segments = (SegmentFacts(interface, default_level=default),)
    return SiteFacts(SiteId("hall"), OrganisationId("council"), segments=segments)


@pytest.mark.parametrize(
    ("main", "standby", "said"),
    [
        (held(Level.ISOLATE), held(Level.ISOLATE), ()),
        (held(Level.ISOLATE), held(Level.WATCH), ("it holds watch, the site's gateway isolate",)),
        (held(Level.WATCH), held(Level.ISOLATE), ("it holds isolate, the site's gateway watch",)),
        (held(Level.ISOLATE), held(None), ("it holds nothing, the site's gateway isolate",)),
        (held(Level.ISOLATE), held(Level.WATCH, because="one switch"), ()),
        (held(Level.ISOLATE), (), ("the site's gateway holds isolate; unknown to it, it gets watch there",)),
        ((), held(Level.ISOLATE), ("it holds isolate; unknown to the site's gateway, it gets watch there",)),
        (held(Level.WATCH), (), ()),
        ((), (), ()),
    ],
)
def test_what_one_holds_otherwise_than_the_other_is_named(
    main: tuple[Seen, ...], standby: tuple[Seen, ...], said: tuple[str, ...]
) -> None:
    assert unlike(main, standby, (facts(), facts())) == tuple(f"{CAM}: {each}" for each in said)


def test_a_device_the_standby_has_not_heard_of_is_named_only_where_strangers_get_less() -> None:
    assert unlike(held(Level.ISOLATE), (), (facts(), facts(Level.ISOLATE))) == ()
    assert unlike(held(Level.QUARANTINE), (), (facts(), facts(Level.ISOLATE))) != ()


def test_of_segments_with_other_names_the_loosest_may_be_the_one() -> None:
    assert unlike(held(Level.ISOLATE), (), (facts(), facts(Level.WATCH, "lan3"))) != ()
    assert unlike(held(Level.ISOLATE), (), (facts(), facts(Level.ISOLATE, "lan3"))) == ()


def test_no_more_than_twenty_are_named() -> None:
    devices = [Device(DeviceId(f"cam{number:02}"), Identity(), "cam0") for number in range(30)]
    main = [Seen(each, DevicePosture(each.id, Level.ISOLATE, Level.ISOLATE)) for each in devices]

    found = unlike(main, (), (facts(), facts()))

    assert (len(found), found[-1]) == (21, "and 10 more")


_LEVELS = st.sampled_from([None, *Level])
_HELD = st.one_of(st.just(()), _LEVELS.map(held))


@given(_HELD, _HELD, st.sampled_from(Level))
def test_nothing_is_said_exactly_where_a_take_over_changes_nothing_or_tightens_strangers(
    main: tuple[Seen, ...], standby: tuple[Seen, ...], default: Level
) -> None:
    def rank(seen: tuple[Seen, ...]) -> int:
        posture = seen[0].posture if seen else None
        level = posture.enforced if posture else default
        return -1 if level is None else level.rank

    is_same = rank(main) == rank(standby)
    if not (main and standby):
        known = rank(main or standby)
        is_same = known <= default.rank

    assert (unlike(main, standby, (facts(default), facts(default))) == ()) is is_same
