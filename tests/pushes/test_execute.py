"""Pushes in a real database: gateways report, stages are judged by what was read back, orders follow plans."""

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, BootId, DeviceId, Mac, OrderId, OrganisationId, PolicyId, SiteId
from bartizan.policy.facts import served_by
from bartizan.policy.model import Condition, Maker, Operator, Policy, Rule, SiteFacts, Subject
from bartizan.policy.preview import Seen
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.orders import Activate, OrderBook, Raise
from bartizan.trust.push import Push, Wave
from bartizan.wire import codec
from bartizan.wire import events as kinds
from bartizan.wire.up import DevicePosture, Posture, Report
from bartizan_controller import inventory, orders
from bartizan_controller.errors import NotFound
from bartizan_controller.orders import Change
from bartizan_controller.pushes import execute
from bartizan_controller.pushes.model import Intent, PushState
from bartizan_controller.pushes.stages import stages
from bartizan_controller.store import (
    audit,
    books,
    events,
    gateways,
    organisations,
    pushes,
    reported,
    standbys,
)
from bartizan_controller.store.database import Database
from bartizan_controller.store.events import EventFilter, RecordedEvent
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.organisations import Organisation, Site

HALL, EAST, WEST = (SiteId(name) for name in ("hall", "east", "west"))
COUNCIL = OrganisationId("council")
CAMERA = Device(
    DeviceId("cam"),
    Identity("hikvision", kind=Kind.CAMERA),
    "cam0",
    macs=(Mac("02:00:00:00:00:01"),),
    addresses=(Address("10.0.0.11"),),
)
RECORDER = Device(
    DeviceId("nvr"),
    Identity("axis", kind=Kind.RECORDER),
    "cam0",
    macs=(Mac("02:00:00:00:00:02"),),
    addresses=(Address("10.0.0.9"),),
)
MAKERS = (Maker("hikvision", "Hikvision", "CN", "test"), Maker("axis", "Axis", "SE", "test"))
PUSH = Push(policy=7, base=6, canary=(HALL,), not_after=10_000.0, waves=(Wave(percent=50),), soak_seconds=60.0)
RULE = Rule("all", Condition(Subject.MAKER, Operator.IS, ("hikvision",)), "test", Level.ISOLATE)
CATALOGUE = Catalogue(
    {"policy": 7},
    1e9,
    DirectorKeys({}),
    policies=(Policy(PolicyId("p"), "p", 2, 1, (RULE,)),),
    makers=MAKERS,
    push=PUSH,
    policy_digest="d7",
)


class Controller:
    """A database with three connected sites, and the books that would be sent."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.catalogue = CATALOGUE
        self.signed: list[OrderBook] = []
        self.reports = 0

    def sign(self, book: OrderBook) -> bytes:
        self.signed.append(book)
        return codec.encode(book)

    def step(self, now: float) -> float | None:
        return self.database.change(lambda c: execute.step(c, self.sign, self.catalogue, now=now))

    def report(
        self,
        site: SiteId,
        *,
        policy: int = 7,
        wanted: Level = Level.ISOLATE,
        enforced: Level | None = Level.ISOLATE,
        dropped: int = 0,
        orders_held: int | None = None,
        why_not: str = "",
        released: str = "",
        waits_until: float = 0.0,
    ) -> None:
        """The gateway of a site reports a camera and a recorder."""
        self.reports += 1
        held = self.database.query(lambda c: books.load(c, [site]))
        generation = held[site].generation if site in held else 0
        drops = (DropCounter(CAMERA.macs[0], RECORDER.addresses[0], "tcp", 554, dropped, 0),) if dropped else ()
        postures = (
            DevicePosture(CAMERA.id, wanted, enforced, not_enforceable_because=why_not),
            DevicePosture(RECORDER.id, Level.WATCH, Level.WATCH),
        )
        posture = Posture(
            {"policy": 7},
            catalogue_expired=False,
            estate_orders=0,
            site_orders=generation if orders_held is None else orders_held,
            ruleset_digest=f"{self.reports}",
            devices=postures,
            drops=drops,
            policy=policy,
            released=released,
            policy_waits_until=waits_until,
        )
        report = Report(site, BootId("b"), 1.0, f"digest {self.reports}", (CAMERA, RECORDER), posture)
        seen = inventory.join(report.devices, posture)
        self.database.change(lambda c: gateways.save_reports(c, [report], now=1.0))
        if served_by(self.catalogue.sites, site) != site:
            devices = [Seen(each.device, each.posture) for each in seen.values()]
            self.database.change(lambda c: standbys.keep(c, site, devices))
        else:
            self.database.change(lambda c: reported.replace(c, site, COUNCIL, seen, now=1.0))

    def told(self) -> set[SiteId]:
        """Sites in whose book an order stands that activates the push."""
        given = self.database.query(lambda c: books.orders_of(c, [HALL, EAST, WEST]))
        return {site for site, all_of in given.items() if site and any(isinstance(o, Activate) for o in all_of)}

    @property
    def intent(self) -> Intent:
        return self.database.query(lambda c: pushes.find(c, 7))

    def stages(self) -> dict[str, tuple[SiteId, ...]]:
        return {stage.name: stage.sites for stage in self.intent.stages}

    def events(self, kind: str) -> list[Mapping[str, str]]:
        found = self.database.query(lambda c: events.page(c, EventFilter(kind=kind), after=0, limit=10))
        return [event.detail for event in found]

    def decide(self, how: str) -> None:
        by = {"by": "ann", "now": 2000.0}
        if how == "resume":
            self.database.change(lambda c: execute.resume(c, 7, **by))  # type: ignore[arg-type]
        else:
            self.database.change(lambda c: getattr(execute, how)(c, 7, reason="lunch", **by))


def connect(connection: Connection, site: SiteId, capability: int = 4) -> None:
    organisations.add_site(connection, Site(site, COUNCIL, site, 0.0))
    gateway = Gateway(
        site=site, certificate="1", sealing_key="s", enrolled_at=0.0, connected=True, capability=capability
    )
    gateways.enrol(connection, gateway)


@pytest.fixture
def controller(database: Database) -> Controller:
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "O", None, 0.0)))
    for site in (HALL, EAST, WEST):
        database.change(functools.partial(connect, site=site))
    controller = Controller(database)
    for site in (HALL, EAST, WEST):
        controller.report(site, policy=6, wanted=Level.WATCH, enforced=Level.WATCH)
    controller.step(1000.0)
    return controller


@pytest.fixture
def wave(controller: Controller) -> SiteId:
    """The site of the first wave, which was just told."""
    controller.report(HALL)
    controller.step(1010.0)
    controller.step(1070.0)
    [site] = controller.stages()["wave 1"]
    assert controller.told() == {site}
    return site


def test_stages_are_resolved_once_and_every_site_is_in_one(controller: Controller) -> None:
    found = controller.stages()

    assert found["canary"] == (HALL,)
    assert sorted([*found["wave 1"], *found["the rest"]]) == [EAST, WEST]
    assert len(found["wave 1"]) == 1


def test_who_stands_by_for_a_site_goes_with_it_and_counts_for_no_site_of_its_own() -> None:
    pairs = {SiteId(f"site-{number}"): SiteId(f"site-{number}-b") for number in range(20)}
    facts = tuple(
        SiteFacts(gateway, COUNCIL, standby_for=site if gateway != site else UNSET)
        for site, standby in pairs.items()
        for gateway in (site, standby)
    )
    push = replace(PUSH, canary=(SiteId("site-0"),))

    found = stages(push, replace(CATALOGUE, sites=facts), [each.id for each in facts])

    assert found[0].gateways == ("site-0", "site-0-b")
    assert [len(stage.sites) for stage in found] == [1, 9, 10], "half of the sites at the end of the first wave"
    for stage in found:
        assert stage.standbys == {site: (pairs[site],) for site in stage.sites}


def test_a_standby_that_was_never_enrolled_is_in_the_stage_of_its_site() -> None:
    facts = (SiteFacts(HALL, COUNCIL), SiteFacts(SiteId("hall-b"), COUNCIL, standby_for=HALL))

    found = stages(PUSH, replace(CATALOGUE, sites=facts), [HALL])

    assert found[0].standbys == {HALL: ("hall-b",)}


def test_a_standby_is_judged_by_the_orders_of_the_site_that_it_serves(controller: Controller, wave: SiteId) -> None:
    """It reports the generation of that book; the order that activates the push is in one of its own name."""
    facts = tuple(SiteFacts(site, COUNCIL, standby_for=HALL if site == wave else UNSET) for site in (HALL, EAST, WEST))
    controller.catalogue = replace(CATALOGUE, sites=facts)

    controller.report(wave, orders_held=0)
    controller.step(1080.0)
    controller.step(1200.0)

    assert controller.told() == {EAST, WEST}


def test_a_standby_whose_kernel_holds_something_else_stops_the_push(controller: Controller) -> None:
    facts = tuple(SiteFacts(site, COUNCIL, standby_for=HALL if site == EAST else UNSET) for site in (HALL, EAST, WEST))
    controller.catalogue = replace(
        CATALOGUE, policy_digest="d8", versions={"policy": 8}, push=replace(PUSH, policy=8), sites=facts
    )
    controller.report(HALL, policy=8)
    controller.report(EAST, policy=8, enforced=Level.WATCH)
    controller.step(1010.0)

    reason = controller.database.query(lambda c: pushes.find(c, 8)).pause_reason
    assert "1 of 1 sites differ" in reason
    assert "(hall: standby east: cam: should be at isolate; its kernel holds watch)" in reason


def test_it_goes_through_its_stages(controller: Controller, wave: SiteId) -> None:
    """Told, read back, watched, next; and each order says the very text that was signed."""
    [order] = controller.database.query(lambda c: books.standing(c, wave))
    assert order.order == Activate(OrderId(f"push-7/{wave}"), 7, "d7")
    assert controller.signed[-1].capability == 4

    controller.report(wave)
    assert controller.step(1080.0) == 1140.0
    controller.step(1141.0)
    assert controller.told() == {EAST, WEST}
    [last] = {EAST, WEST} - {wave}
    controller.report(last)
    controller.step(1150.0)
    assert controller.intent.state is PushState.FINISHED


def test_an_acknowledgement_is_no_reading(controller: Controller) -> None:
    """It says that it goes by the new policy; its kernel does not."""
    controller.report(HALL, enforced=Level.WATCH)
    controller.step(1010.0)

    assert controller.intent.state is PushState.PAUSED
    assert "cam: should be at isolate; its kernel holds watch" in controller.intent.pause_reason
    assert controller.told() == set()
    [event] = controller.events(kinds.PUSH_STOPPED)
    assert event["policy"] == "7"
    assert event["until"] == "10000"


def test_a_gateway_s_own_idea_of_what_is_wanted_is_not_believed(controller: Controller) -> None:
    controller.report(HALL, wanted=Level.WATCH, enforced=Level.WATCH)
    controller.step(1010.0)

    assert "its gateway wants watch" in controller.intent.pause_reason


def test_what_was_released_by_hand_is_a_difference(controller: Controller) -> None:
    controller.report(HALL, released="lifted by root until noon")
    controller.step(1010.0)

    assert "lifted by root" in controller.intent.pause_reason


def test_what_it_cannot_enforce_is_no_difference(controller: Controller) -> None:
    controller.report(HALL, enforced=Level.WATCH, why_not="shares an unmanaged switch")
    controller.step(1010.0)

    assert controller.intent.state is PushState.RUNNING


def test_packets_to_a_recorder_that_are_dropped_since_stop_it(tmp_path: Path, controller: Controller) -> None:
    controller.report(HALL, dropped=3)
    controller.step(1010.0)

    assert "3 packets from cameras to recorders" in controller.intent.pause_reason


def test_packets_that_were_dropped_before_do_not(controller: Controller, wave: SiteId) -> None:
    controller.report(wave, policy=6, dropped=3)
    controller.step(1080.0)
    controller.report(wave, dropped=3)
    controller.step(1090.0)

    assert controller.intent.state is PushState.RUNNING


def test_a_change_that_cut_the_gateway_off_stops_it(controller: Controller) -> None:
    amended = RecordedEvent(
        HALL, 1.0, 1.0, kinds.CONTAINMENT_AMENDED, {"because": "isolate of cam"}, boot=BootId("b"), sequence=1
    )
    controller.database.change(lambda c: events.add(c, [amended]))
    controller.report(HALL)
    controller.step(1010.0)

    assert "containment.amended: isolate of cam" in controller.intent.pause_reason

    controller.decide("resume")  # somebody has looked at it
    controller.step(2001.0)
    assert (controller.intent.state, controller.intent.forgiven) == (PushState.RUNNING, frozenset({HALL}))


def test_a_report_from_before_the_orders_that_stand_is_not_judged(controller: Controller) -> None:
    """The order is on its way: what is held so far is no difference."""
    raised = Change(HALL, give=(Raise(OrderId("r"), Level.QUARANTINE, "why", "ann"),))
    controller.database.change(lambda c: orders.apply(c, controller.sign, raised, by="ann", now=1005.0))
    controller.report(HALL, orders_held=0)
    controller.step(1010.0)
    assert controller.intent.state is PushState.RUNNING

    controller.report(HALL, wanted=Level.ISOLATE)
    controller.step(1020.0)
    assert "should be at quarantine" in controller.intent.pause_reason


def test_a_book_that_only_raises_is_for_older_agents_too(controller: Controller) -> None:
    raised = Change(HALL, give=(Raise(OrderId("r"), Level.QUARANTINE, "why", "ann"),))
    controller.database.change(lambda c: orders.apply(c, controller.sign, raised, by="ann", now=1005.0))

    assert controller.signed[-1].capability == 3


def test_a_person_who_looked_resumes_it(controller: Controller) -> None:
    controller.report(HALL, enforced=Level.WATCH)
    controller.step(1010.0)
    controller.decide("resume")
    controller.step(2001.0)

    assert controller.intent.state is PushState.RUNNING
    assert controller.intent.forgiven == {HALL}
    assert len(controller.told()) == 1


def test_a_pause_tells_nobody_anew(controller: Controller, wave: SiteId) -> None:
    controller.decide("pause")
    controller.report(wave)
    controller.step(2001.0)

    assert controller.told() == {wave}


def test_an_abort_withdraws_the_orders_for_good(controller: Controller, wave: SiteId) -> None:
    controller.decide("abort")
    controller.step(2001.0)

    assert controller.told() == set()
    assert controller.intent.state is PushState.ABORTED
    with pytest.raises(ValueError, match="aborted"):
        controller.decide("resume")


def test_when_the_signed_time_is_over_the_orders_end(controller: Controller, wave: SiteId) -> None:
    controller.step(10_000.0)

    assert controller.told() == set()
    assert controller.intent.state is PushState.ENDED


def test_a_later_version_takes_its_place(controller: Controller, wave: SiteId) -> None:
    controller.catalogue = replace(CATALOGUE, versions={"policy": 8}, push=None)
    controller.step(1100.0)

    assert controller.told() == set()
    assert controller.intent.state is PushState.SUPERSEDED
    assert not controller.database.query(lambda c: execute.has_work(c, controller.catalogue))


def test_what_everybody_gets_at_once_is_no_push(controller: Controller) -> None:
    catalogue = replace(CATALOGUE, versions={"policy": 8}, push=None)
    controller.catalogue = catalogue
    controller.step(1100.0)

    with pytest.raises(NotFound):
        controller.database.query(lambda c: pushes.find(c, 8))


def test_a_step_with_no_news_changes_nothing(controller: Controller, wave: SiteId) -> None:
    def plans() -> int:
        return len(list(controller.database.query(lambda c: pushes.plans_of(c, 7))))

    before, signed = plans(), len(controller.signed)
    controller.step(1075.0)

    assert (plans(), len(controller.signed)) == (before, signed)


def test_a_large_wave_is_told_in_portions(database: Database) -> None:
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "O", None, 0.0)))
    sites = [HALL, *(SiteId(f"s{number}") for number in range(execute.TOLD_AT_ONCE + 1))]
    for site in sites:
        database.change(functools.partial(connect, site=site))
    controller = Controller(database)
    controller.catalogue = replace(CATALOGUE, push=replace(PUSH, waves=()))
    controller.step(1000.0)
    controller.report(HALL)
    controller.step(1010.0)
    assert controller.step(1071.0) == 1071.0
    assert len(controller.signed) == execute.TOLD_AT_ONCE
    controller.step(1071.0)
    assert len(controller.signed) == execute.TOLD_AT_ONCE + 1


def test_an_agent_that_would_refuse_the_whole_book_is_not_told(controller: Controller) -> None:
    """It would lose its raises with it."""
    [site] = controller.stages()["wave 1"]
    [last] = controller.stages()["the rest"]
    known = controller.database.query(lambda c: gateways.find(c, site))
    older = replace(known, capability=3)
    controller.database.change(lambda c: gateways.save_link_states(c, [older]))
    controller.report(HALL)
    controller.step(1010.0)
    controller.step(1071.0)

    assert controller.told() == {last}


def test_every_decision_is_in_the_audit_chain(controller: Controller, wave: SiteId) -> None:
    controller.decide("pause")
    controller.decide("resume")
    controller.decide("abort")

    entries = controller.database.query(lambda c: audit.page(c, after=0, limit=100))
    actions = [entry.action for entry in entries if entry.action.startswith("push.")]
    assert actions == ["push.begin", "push.pause", "push.resume", "push.abort"]
