"""Self-tests that a gateway makes by itself: when, how many, and who is told what of them."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from bartizan.containment.model import Ruleset
from bartizan.ids import Mac, OrderId, SiteId
from bartizan.trust import dsse
from bartizan.trust.orders import PAYLOAD_TYPE, OrderBook, Prove
from bartizan.wire import codec, events
from bartizan.wire.down import CatalogueBundle, OrdersEnvelope
from bartizan.wire.up import SelfTest
from bartizan_agent import app
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.clock import GatewayClock
from bartizan_agent.gateway import Gateway
from bartizan_agent.notes import Note
from bartizan_agent.places import Places
from bartizan_agent.probe import CannotTest
from bartizan_agent.proving import Basis, Proving, summary
from bartizan_agent.self_test import FamilyResult, Outcome, SegmentResult
from bartizan_agent.settings import ContainmentSettings, ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_store
from tests.agent.estate import until
from tests.fakes.memory_firewall import MemoryFirewall
from tests.trust.estate import NOW, Estate, write_unsynced

QUIET = 0.05
NEVER = 30 * 86400.0
BLOCKED = FamilyResult(Outcome.BLOCKED, "all 3 packets were dropped, none left", "10.9.0.254", "192.0.2.1")
LEFT = FamilyResult(Outcome.NOT_BLOCKED, "packets left by up0", "10.9.0.254", "192.0.2.1", left=True)
UNTRIED = FamilyResult(Outcome.NOT_TESTED, "cam0 has no free address of this family")
BASIS = Basis(Ruleset((), (), ()), "digest")


def settings(every: float, quiet: float = QUIET) -> Settings:
    return Settings(
        SiteId("school"),
        ControllerSettings("broker.example", "https://controller.example"),
        (SegmentSettings("cam0"),),
        containment=ContainmentSettings(self_test_seconds=every, self_test_after_seconds=quiet),
    )


class Prober:
    """A segment on which whatever comes of it is given."""

    def __init__(self, *outcomes: FamilyResult) -> None:
        self.ipv4, self.ipv6 = outcomes or (BLOCKED, UNTRIED)
        self.refusal = ""
        self.tests: list[SelfTest] = []
        self.notes: list[Note] = []

    def attempt(self, interface: str, _ruleset: Ruleset) -> SegmentResult:
        if self.refusal:
            raise CannotTest(self.refusal)
        return SegmentResult(interface, "isolate", Mac("06:00:00:00:00:01"), self.ipv4, self.ipv6)

    def tell(self, test: SelfTest, notes: tuple[Note, ...]) -> None:
        self.tests.append(test)
        self.notes += notes

    async def has_tested(self, times: int) -> bool:
        await until(lambda: len(self.tests) >= times)
        return len(self.tests) == times


@asynccontextmanager
async def proving(
    folder: Path, tester: Prober, every: float = NEVER, quiet: float = QUIET, basis: Callable[[], Basis] = lambda: BASIS
) -> AsyncIterator[Proving]:
    clock = GatewayClock(folder / "clock")
    made = Proving(settings(every, quiet), Places(folder), clock, tester.attempt, random.Random(1))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run(basis, tester.tell))
        yield made
        running.cancel()


async def test_a_storm_of_changes_gives_one_test(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester) as made:
        for _ in range(40):
            made.changed()
            await asyncio.sleep(QUIET / 20)
        assert await tester.has_tested(1)
        made.changed()
        assert await tester.has_tested(2)
    assert [test.why for test in tester.tests] == ["change", "change"]


async def test_a_storm_that_does_not_end_is_tested_in_all_the_same(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester) as made:

        def blows() -> bool:
            made.changed()
            return bool(tester.tests)

        await until(blows)


async def test_an_order_does_not_wait_for_quiet(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester, quiet=3600) as made:
        made.changed()
        made.order()
        assert await tester.has_tested(1)
    assert tester.tests[0].why == "order"


async def test_switched_off_it_tests_only_when_it_is_told_to(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester, every=0) as made:
        made.changed()
        await asyncio.sleep(4 * QUIET)
        assert tester.tests == []
        made.order()
        assert await tester.has_tested(1)


async def test_by_schedule_one_follows_another(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester, every=0.1):
        await until(lambda: len(tester.tests) >= 3)
    assert {test.why for test in tester.tests} == {"schedule"}
    gaps = [later.at - before.at for before, later in zip(tester.tests, tester.tests[1:], strict=False)]
    assert min(gaps) >= 0.1


async def test_what_came_of_the_last_outlives_the_agent(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester) as made:
        made.order()
        assert await tester.has_tested(1)
    async with proving(tmp_path, tester) as again:
        assert again.last == tester.tests[0]
        assert again.last.ruleset == "digest"
        assert again.last.proven == ("cam0 at isolate: IPv4",)
        assert again.last.untested == ("cam0 at isolate: IPv6: cam0 has no free address of this family",)


async def test_what_could_not_be_run_neither_passed_nor_failed(tmp_path: Path) -> None:
    tester = Prober()
    tester.refusal = "no interface 'cam0'"
    async with proving(tmp_path, tester) as made:
        made.order()
        assert await tester.has_tested(1)
    (test,) = tester.tests
    assert (test.outcome, test.proven, test.failed, test.untested) == (
        "not-run",
        (),
        (),
        ("cam0: no interface 'cam0'",),
    )
    assert tester.notes == []


async def test_while_containment_is_lifted_nothing_is_tried(tmp_path: Path) -> None:
    tester = Prober()
    async with proving(tmp_path, tester, basis=lambda: BASIS._replace(not_because="lifted by me")) as made:
        made.order()
        assert await tester.has_tested(1)
    assert (tester.tests[0].outcome, tester.tests[0].untested) == ("not-run", ("cam0: lifted by me",))


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "outcome"),
    [
        (BLOCKED, BLOCKED, "blocked"),
        (BLOCKED, UNTRIED, "blocked"),
        (UNTRIED, UNTRIED, "not-run"),
        (BLOCKED, LEFT, "not-blocked"),
        (LEFT, UNTRIED, "not-blocked"),
        (replace(LEFT, left=False), UNTRIED, "not-run"),
    ],
)
def test_one_way_out_is_enough_to_fail(ipv4: FamilyResult, ipv6: FamilyResult, outcome: str) -> None:
    result = SegmentResult("cam0", "isolate", Mac("06:00:00:00:00:01"), ipv4, ipv6)

    assert summary([result], {}, ruleset="d", why="order", at=1.0).outcome == outcome


async def test_what_got_out_is_an_alarm_and_in_the_report_and_loosens_nothing(tmp_path: Path) -> None:
    """A whole gateway, told to test by an order that the director signed."""
    tester, firewall = Prober(BLOCKED, LEFT), MemoryFirewall()
    estate, places = Estate.found(tmp_path / "estate"), Places(tmp_path / "gateway")
    keep_first_root(places.catalogue, estate.repository.first_root(), write_unsynced)
    order = OrderBook(1, NOW, NOW + 3600, capability=4, site=SiteId("school"), orders=(Prove(OrderId("p")),))
    envelope = OrdersEnvelope(dsse.sign(codec.encode(order), PAYLOAD_TYPE, [estate.keys.online.director]))
    with closing(open_store(places.store, app.SCHEMAS)) as connection:
        parts = app.build(settings(NEVER), places, app.Opened(connection), firewall, tester.attempt)
        gateway = Gateway(dataclasses.replace(parts, clock=GatewayClock(places.clock, lambda: NOW)))
        gateway.start(())
        gateway.accept(CatalogueBundle(estate.all_files()), 0.0)
        gateway.reconcile()
        before = firewall.enforced
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.prove())
            gateway.accept(envelope, 0.0)
            await until(lambda: parts.proving.last is not None)
            report = gateway.report()
            running.cancel()
        told = [event for event in parts.outbox.head().events if event.kind == events.CONTAINMENT_LEAKS]  # type: ignore[union-attr]
    assert report is not None
    assert report.posture.self_test is not None
    assert report.posture.self_test.outcome == "not-blocked"
    assert report.posture.self_test.ruleset == report.posture.ruleset_digest
    (alarm,) = told
    assert (alarm.detail["ipv6"], alarm.detail["ipv6_reason"]) == ("not-blocked", "packets left by up0")
    assert (alarm.detail["why"], alarm.detail["interface"]) == ("order", "cam0")
    assert firewall.enforced == before
