"""A preview says what gateways would do: the evaluator's word on every device, and honest sums of it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, OrderId, OrganisationId, PolicyId, SiteId, WaiverId
from bartizan.policy.errors import PolicyError
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import site_facts
from bartizan.policy.hindrance import GatewayState, Hindrance
from bartizan.policy.model import (
    Condition,
    HardeningDuty,
    Maker,
    Operator,
    Policy,
    Rule,
    Selector,
    SiteFacts,
    Subject,
    Waiver,
)
from bartizan.policy.preview import Direction, Judge, Preview, Seen, SeenSite, Tally, UnknownRecording, preview
from bartizan.policy.streams import Channels
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.orders import OrderBook, Raise
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.up import DevicePosture
from tests.policy.test_evaluate_against_reference import BOOKS, DEVICES, NOW, POLICIES, SITES, WAIVERS, catalogue

HQ = SiteId("hq")
COUNCIL = OrganisationId("council")
MAKERS = (Maker("hikvision", "Hikvision", "CN", "test"), Maker("axis", "Axis", "SE", "test"))
UP = GatewayState(connected=True, capability=1)


def signed(level: Level | None = None, *, site: SiteFacts | None = None, **parts: object) -> Catalogue:
    """Return a catalogue that holds Hikvision at a level."""
    when = Condition(Subject.MAKER, Operator.IS, ("hikvision",))
    rules = (Rule("r", when, "because", contain=level),)
    policies = (Policy(PolicyId("p"), "p", 1, 1, rules),) if level else ()
    facts = (site or SiteFacts(HQ, COUNCIL),)
    base = Catalogue({}, 0, DirectorKeys({}), policies=policies, makers=MAKERS, sites=facts)
    return msgspec.structs.replace(base, **parts)


def camera(name: str, maker: str = "hikvision", **also: object) -> Device:
    return Device(DeviceId(name), Identity(maker, kind=Kind.CAMERA), "eth1", **also)  # type: ignore[arg-type]


def at_hq(
    *devices: Device,
    gateway: GatewayState | None = UP,
    channels: Channels | None = None,
    books: tuple[OrderBook, ...] = (),
) -> SeenSite:
    return SeenSite(HQ, COUNCIL, gateway, tuple(Seen(device) for device in devices), books, channels or {})


def told(present: Catalogue, proposed: Catalogue, *sites: SeenSite, needs: int = 1, limit: int = 100) -> Preview:
    return preview(present, proposed, sites, at=NOW, needs_capability=needs, limit=limit)


CATALOGUES = st.builds(
    lambda policies, waivers, site: msgspec.structs.replace(catalogue(policies, waivers), sites=(site,)),
    POLICIES,
    WAIVERS,
    SITES,
)


@settings(max_examples=100)
@given(CATALOGUES, CATALOGUES, BOOKS, st.lists(DEVICES, max_size=6))
def test_before_and_after_are_what_the_evaluator_says_of_each_device(
    present: Catalogue, proposed: Catalogue, books: tuple[OrderBook, ...], devices: list[Device]
) -> None:
    """Devices that are judged together are judged as each alone would be."""
    seen = at_hq(*devices, books=books)
    changes = tuple(Judge(present, proposed, NOW).changes(seen))

    assert [change.device for change in changes] == [device.id for device in devices]
    for change, device in zip(changes, devices, strict=True):
        before = Evaluator(present, site_facts(present.sites, HQ), books).verdict(device, NOW)
        after = Evaluator(proposed, site_facts(proposed.sites, HQ), books).verdict(device, NOW)
        assert (change.before, change.because_before) == (before.level, before.explanation)
        assert (change.after, change.because) == (after.level, after.explanation)
    summed = preview(present, proposed, (seen,), at=NOW, needs_capability=1, limit=100)
    assert summed.devices == tuple(each for each in changes if each.direction is not Direction.NONE)
    assert summed.total == Tally(
        tighten=sum(change.before < change.after for change in changes),
        loosen=sum(change.after < change.before for change in changes),
        none=sum(change.after is change.before for change in changes),
    )


def test_devices_are_summed_by_direction_move_site_and_organisation() -> None:
    """Sites where nothing changes are counted for their organisation, and not listed."""
    other = SeenSite(SiteId("yard"), OrganisationId("school"), UP, (Seen(camera("c", "axis")),))
    found = told(signed(Level.ISOLATE), signed(Level.BLOCK_EGRESS), at_hq(camera("a"), camera("b")), other)

    assert found.total == Tally(loosen=2, none=1)
    assert found.moves == {"isolate -> block-egress": 2}
    assert found.organisations == {COUNCIL: Tally(loosen=2), OrganisationId("school"): Tally(none=1)}
    assert found.sites == {HQ: Tally(loosen=2)}
    assert found.devices[0].because.startswith("block-egress, because rule r of p@1")


def test_what_is_not_listed_is_counted() -> None:
    found = told(signed(), signed(Level.ISOLATE), at_hq(camera("a"), camera("b"), camera("c")), limit=1)

    assert [each.device for each in found.devices] == ["a"]
    assert (found.devices_left_out, found.total.tighten) == (2, 3)


def test_an_order_that_stands_is_part_of_before_and_after() -> None:
    """A policy that demands what an order holds already changes nothing."""
    book = OrderBook(1, 0, 0, 1, None, (Raise(OrderId("o"), Level.QUARANTINE, "r", "by", DeviceId("a")),))
    found = told(signed(), signed(Level.ISOLATE), at_hq(camera("a"), camera("b"), books=(book,)))

    assert found.moves == {"watch -> isolate": 1}
    assert [each.device for each in found.devices] == ["b"]


def test_a_declared_recorder_keeps_its_streams_and_another_loses_them() -> None:
    """At isolate; at quarantine every recorder does."""
    site = SiteFacts(HQ, COUNCIL, recorders=(Address("10.0.0.5"),))
    declared = camera("nvr", "axis", addresses=(Address("10.0.0.5"),))
    other = camera("old-nvr", "axis", addresses=(Address("10.0.0.6"),))
    seen = at_hq(
        camera("a"), declared, other, channels={declared.id: (DeviceId("a"),), other.id: (DeviceId("a"), DeviceId("?"))}
    )
    isolated = told(signed(site=site), signed(Level.ISOLATE, site=site), seen)
    quarantined = told(signed(site=site), signed(Level.QUARANTINE, site=site), seen)
    undeclared = told(signed(Level.ISOLATE, site=site), signed(Level.ISOLATE), seen)

    assert [(each.recorder, each.camera) for each in isolated.lost_streams] == [("old-nvr", "a")]
    assert "do not declare the recorder" in isolated.lost_streams[0].because
    assert [each.recorder for each in quarantined.lost_streams] == ["nvr", "old-nvr"]
    assert [each.recorder for each in undeclared.lost_streams] == ["nvr"]
    assert told(signed(site=site), signed(Level.BLOCK_EGRESS, site=site), seen).lost_streams == ()


def test_a_recorder_that_is_raised_loses_every_stream() -> None:
    recorder = camera("nvr", addresses=(Address("10.0.0.5"),))
    seen = at_hq(recorder, camera("a", "axis"), channels={recorder.id: (DeviceId("a"),)})
    [lost] = told(signed(), signed(Level.ISOLATE), seen).lost_streams

    assert lost.because.startswith("the recorder is isolated")


def test_where_nobody_knows_who_records_that_is_said() -> None:
    """Only of devices that come to be isolated, at sites that declare no recorder."""
    nvr = camera("nvr", "axis")
    printer = Device(DeviceId("p"), Identity("hikvision", kind=Kind.OTHER), "eth1")
    seen = at_hq(camera("a"), camera("b"), camera("c", "axis"), printer, nvr, channels={nvr.id: (DeviceId("b"),)})
    found = told(signed(), signed(Level.ISOLATE), seen)
    declares = SiteFacts(HQ, COUNCIL, recorders=(Address("10.0.0.5"),))

    assert found.unknown_recordings == (UnknownRecording(HQ, 1),)
    assert told(signed(site=declares), signed(Level.ISOLATE, site=declares), seen).unknown_recordings == ()
    assert told(signed(Level.ISOLATE), signed(Level.QUARANTINE), seen).unknown_recordings == ()


@pytest.mark.parametrize(
    ("gateway", "whys"),
    [
        (UP, []),
        (None, [Hindrance.NO_GATEWAY]),
        (GatewayState(connected=False, capability=1), [Hindrance.AWAY]),
        (GatewayState(connected=True, capability=0), [Hindrance.TOO_OLD]),
        (GatewayState(connected=True, capability=1, released="the duty officer until noon"), [Hindrance.RELEASED]),
    ],
)
def test_a_site_that_cannot_enforce_is_named(gateway: GatewayState | None, whys: list[Hindrance]) -> None:
    found = told(signed(), signed(Level.ISOLATE), at_hq(camera("a"), gateway=gateway))

    assert [each.why for each in found.hindered] == whys


def test_a_device_that_its_gateway_cannot_hold_is_no_success() -> None:
    """Unless nothing is demanded of it."""
    posture = DevicePosture(
        DeviceId("a"), Level.WATCH, Level.WATCH, enforceable=False, not_enforceable_because="shares a switch with b"
    )
    site = SeenSite(HQ, COUNCIL, UP, (Seen(camera("a"), posture),))
    [hindered] = told(signed(), signed(Level.ISOLATE), site).hindered

    assert (hindered.why, hindered.detail) == (Hindrance.NOT_ENFORCEABLE, "1 device: shares a switch with b")
    assert told(signed(), signed(), site).hindered == ()


def test_devices_are_weighed_by_the_advisories_to_come() -> None:
    """A new advisory that a rule waits for raises the devices it is about."""
    when = Condition(Subject.VULNERABLE_TO, Operator.IS, ("CVE-1",))
    policy = Policy(PolicyId("p"), "p", 1, 1, (Rule("r", when, "because", contain=Level.ISOLATE),))
    present = signed(policies=(policy,))
    flaw = Advisory("CVE-1", "t", "hikvision", (AffectedRule(("DS-1",)),), "s", Grade.PUBLISHED)
    device = Device(DeviceId("a"), Identity("hikvision", model="DS-1", firmware="5.0"), "eth1")
    found = told(present, msgspec.structs.replace(present, advisories=(flaw,)), at_hq(device))

    assert found.moves == {"watch -> isolate": 1}
    assert any("advisories change" in remark for remark in found.remarks)


def test_a_waiver_that_has_not_begun_is_remarked_on() -> None:
    """It changes nothing at the time that is judged; whoever signs should know that it will."""
    coming = Waiver(WaiverId("w"), "o", "r", "c", NOW + 1, NOW + 2, (PolicyId("p"),), Level.WATCH, DeviceId("a"))
    found = told(signed(Level.ISOLATE), signed(Level.ISOLATE, waivers=(coming,)), at_hq(camera("a")))

    assert found.total.changing == 0
    assert "new waivers that have not begun change nothing yet, and will: w" in found.remarks
    assert len(told(signed(waivers=(coming,)), signed(waivers=(coming,))).remarks) == 1


def test_a_rule_that_has_not_begun_is_remarked_on() -> None:
    rule = Rule("later", Condition(Subject.MAKER, Operator.IS, ("hikvision",)), "b", Level.ISOLATE, starts_at=NOW + 1)
    scheduled = signed(policies=(Policy(PolicyId("p"), "p", 1, CAPABILITY, (rule,)),))
    found = told(signed(), scheduled, at_hq(camera("a")))

    assert found.total.changing == 0
    assert any("will: later of p on 1970-01-01" in remark for remark in found.remarks)
    assert len(told(scheduled, scheduled).remarks) == 1


def test_other_duties_are_told_where_no_level_changes() -> None:
    when = Condition(Subject.MAKER, Operator.IS, ("axis",))
    rule = Rule("r", when, "because", harden=(HardeningDuty.NO_TELNET,))
    found = told(signed(), signed(policies=(Policy(PolicyId("p"), "p", 1, 1, (rule,)),)), at_hq(camera("a", "axis")))

    assert (found.total, found.duties_change) == (Tally(none=1), 1)


def test_a_catalogue_that_nobody_could_judge_by_is_refused_though_there_is_no_site() -> None:
    when: Selector = Condition(Subject.CONFIDENCE, Operator.AT_LEAST, ("high",))
    policy = Policy(PolicyId("p"), "p", 1, 1, (Rule("r", when, "because", contain=Level.ISOLATE),))

    with pytest.raises(PolicyError):
        told(signed(), signed(policies=(policy,)))


def test_the_summary_is_one_line_with_everything_that_should_stop_a_signature() -> None:
    site = at_hq(camera("a"), camera("b"), gateway=GatewayState(connected=False, capability=1))
    found = told(signed(), signed(Level.ISOLATE), site, needs=2)

    assert found.summary() == (
        "2 of 2 devices tighten, 0 loosen, 0 recorder streams would be lost, who records 2 isolated devices is not "
        "known, 1 site cannot enforce all of it, 1 agent is too old"
    )
