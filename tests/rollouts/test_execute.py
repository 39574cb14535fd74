"""Rollouts in a real database: orders follow plans, reports move them on, a restart repeats nothing."""

import functools

import pytest
from sqlalchemy import Connection

from bartizan.errors import Unavailable
from bartizan.firmware.model import Image
from bartizan.ids import BootId, DeviceId, ImageId, OrganisationId, RolloutId, SiteId
from bartizan.trust.orders import Install, OrderBook
from bartizan.wire import codec
from bartizan.wire import events as kinds
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.rollouts import execute
from bartizan_controller.rollouts.model import Intent, Limits, Progress, RolloutState, Stage, Target, Wave
from bartizan_controller.store import audit, books, events, gateways, organisations, rollouts
from bartizan_controller.store.database import Database
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.organisations import Organisation, Site

NORTH, SOUTH = SiteId("north"), SiteId("south")
A, B = DeviceId("serial:a"), DeviceId("serial:b")
SPRING = RolloutId("spring")
IMAGE = Image(
    id=ImageId("sha256:00"), file_name="digicap.dav", length=1, maker="hikvision", models=("DS-*",), version="V5.5.89"
)
INTENT = Intent(
    id=SPRING,
    image=IMAGE.id,
    waves=(Wave("wave 1", (Target(NORTH, A),)), Wave("wave 2", (Target(SOUTH, B),))),
    limits=Limits(silence_seconds=600),
    created_by="estates",
    created_at=100.0,
)


class Controller:
    """A database with two connected sites, and the books that would be sent."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.images = {IMAGE.id: IMAGE}
        self.signed: list[OrderBook] = []
        self.sequence = 0

    def sign(self, book: OrderBook) -> bytes:
        self.signed.append(book)
        return codec.encode(book)

    def step(self, now: float) -> float | None:
        return self.database.change(lambda c: execute.step(c, self.sign, lambda: self.images, now=now))

    def report(self, site: SiteId, device: DeviceId, kind: str, at: float, **detail: str) -> None:
        self.sequence += 1
        event = RecordedEvent(
            site=site,
            at=at,
            received_at=at,
            kind=kind,
            device=device,
            boot=BootId("b"),
            sequence=self.sequence,
            detail={"rollout": SPRING, **detail},
        )
        self.database.change(lambda c: events.add(c, [event]))

    def installs(self, site: SiteId) -> list[tuple[DeviceId, int]]:
        standing = self.database.query(lambda c: books.standing(c, site))
        return [(g.order.device, g.order.attempt) for g in standing if isinstance(g.order, Install)]

    def progress(self) -> dict[DeviceId, Progress]:
        return self.database.query(lambda c: rollouts.progress_of(c, SPRING))

    def state(self) -> RolloutState:
        return self.database.query(lambda c: rollouts.intent_of(c, SPRING)).state


def connect(connection: Connection, site: SiteId) -> None:
    organisations.add_site(connection, Site(site, OrganisationId("o"), site, 0.0))
    gateways.enrol(
        connection,
        Gateway(site=site, certificate="1", sealing_key="s", enrolled_at=0.0, connected=True),
    )


@pytest.fixture
def controller(database: Database) -> Controller:
    database.change(lambda c: organisations.add_organisation(c, Organisation(OrganisationId("o"), "O", None, 0.0)))
    for site in (NORTH, SOUTH):
        database.change(functools.partial(connect, site=site))
    database.change(lambda c: execute.start(c, INTENT, now=100.0))
    return Controller(database)


def test_a_rollout_goes_through_its_waves(controller: Controller) -> None:
    """Each wave's orders stand until its devices are done, then the next wave's."""
    controller.step(101.0)
    assert controller.installs(NORTH) == [(A, 1)]
    assert controller.installs(SOUTH) == []

    controller.report(NORTH, A, kinds.UPDATE_STEP, 102.0, state="write")
    controller.step(103.0)
    assert controller.progress()[A] == Progress(Stage.UPDATING, 102.0, 1, "write", "")

    controller.report(NORTH, A, kinds.UPDATE_SUCCEEDED, 110.0)
    controller.step(111.0)
    assert controller.installs(NORTH) == []
    assert controller.installs(SOUTH) == [(B, 1)]

    controller.report(SOUTH, B, kinds.UPDATE_SUCCEEDED, 120.0)
    assert controller.step(121.0) is None
    assert controller.installs(SOUTH) == []
    assert controller.state() is RolloutState.FINISHED


def test_a_failure_stops_the_rollout_and_a_person_resumes_it(controller: Controller) -> None:
    """The reason is kept, the failed device is not ordered again, and the audit chain has both decisions."""
    controller.step(101.0)
    controller.report(
        NORTH, A, kinds.UPDATE_FAILED, 110.0, code="failed-rolled-back", reason="the version is the old one"
    )
    controller.step(111.0)

    intent = controller.database.query(lambda c: rollouts.intent_of(c, SPRING))
    assert intent.state is RolloutState.PAUSED
    assert intent.pause_reason == "wave 1 stopped: 1 of 1 failed (serial:a), more than 10 % allowed"

    controller.database.change(lambda c: execute.resume(c, SPRING, by="estates", retry=False, now=120.0))
    controller.step(121.0)
    assert controller.installs(NORTH) == []
    assert controller.installs(SOUTH) == [(B, 1)]
    entries = controller.database.query(lambda c: audit.page(c, after=0, limit=20))
    actions = [entry.action for entry in entries if entry.action.startswith("rollout.")]
    assert actions == ["rollout.start", "rollout.paused", "rollout.resume"]


def test_a_person_may_have_a_failure_tried_once_more(controller: Controller) -> None:
    """The second attempt is a new order; its failure stops the rollout again."""
    controller.step(101.0)
    controller.report(NORTH, A, kinds.UPDATE_FAILED, 110.0, code="x")
    controller.step(111.0)
    controller.database.change(lambda c: execute.resume(c, SPRING, by="estates", retry=True, now=120.0))
    controller.step(121.0)
    assert controller.installs(NORTH) == [(A, 2)]

    controller.report(NORTH, A, kinds.UPDATE_FAILED, 130.0, code="x")
    controller.step(131.0)
    assert controller.state() is RolloutState.PAUSED
    assert controller.installs(NORTH) == []


def test_a_silent_device_fails_after_its_time(controller: Controller) -> None:
    """A rollout never waits for ever."""
    controller.step(101.0)

    assert controller.step(102.0) == 701.0
    controller.step(701.0)
    controller.step(701.0)

    assert controller.progress()[A].code == "silent"
    assert controller.state() is RolloutState.PAUSED


def test_stepping_again_without_news_changes_nothing(controller: Controller) -> None:
    """No plan, no book and no audit entry is made twice."""
    controller.step(101.0)
    signed = len(controller.signed)
    for now in (102.0, 103.0, 104.0):
        controller.step(now)

    assert len(controller.signed) == signed
    plan = controller.database.query(lambda c: rollouts.plan_of(c, SPRING))
    assert plan is not None
    assert plan.number == 1


def test_there_is_no_work_where_nothing_of_a_rollout_is_open_or_told(controller: Controller) -> None:
    """What a fleet says of other things is not even looked at."""

    def has_work() -> bool:
        return controller.database.query(execute.has_work)

    assert has_work()
    controller.step(101.0)
    controller.database.change(lambda c: execute.abort(c, SPRING, by="estates", reason="wrong image", now=102.0))
    assert has_work()
    controller.step(103.0)
    assert not has_work()

    controller.report(NORTH, A, kinds.ORDERS_ACCEPTED, 104.0)
    assert not has_work()
    controller.report(NORTH, A, kinds.UPDATE_STEP, 105.0, state="write")
    assert has_work()
    controller.step(106.0)
    assert not has_work()


def test_dying_before_the_commit_repeats_nothing(controller: Controller) -> None:
    """A step is one transaction: what it did before a crash is undone, and done once afterwards."""

    def die(book: OrderBook) -> bytes:
        raise Unavailable("the power went")

    with pytest.raises(Unavailable):
        controller.database.change(lambda c: execute.step(c, die, lambda: controller.images, now=101.0))
    assert controller.installs(NORTH) == []
    assert controller.progress()[A].stage is Stage.PENDING

    controller.step(102.0)
    assert controller.installs(NORTH) == [(A, 1)]


def test_aborting_ends_what_has_not_begun(controller: Controller) -> None:
    """An order of which nothing was heard is withdrawn; a camera in the middle of a write is let finish."""
    controller.step(101.0)
    controller.database.change(lambda c: execute.abort(c, SPRING, by="estates", reason="wrong image", now=102.0))
    controller.step(103.0)

    assert controller.installs(NORTH) == []
    with pytest.raises(Conflict, match="is aborted: start a new one"):
        controller.database.change(lambda c: execute.resume(c, SPRING, by="estates", retry=False, now=104.0))


def test_a_recalled_image_stops_the_rollout(controller: Controller) -> None:
    """A recall reaches a rollout at its next step."""
    controller.images.clear()
    controller.step(101.0)

    assert controller.installs(NORTH) == []
    assert controller.state() is RolloutState.PAUSED


def test_a_gateway_speaks_only_for_its_own_devices(controller: Controller) -> None:
    """A report about another site's device, an unknown rollout or no rollout moves nothing."""
    controller.step(101.0)
    controller.report(SOUTH, A, kinds.UPDATE_SUCCEEDED, 102.0)
    controller.report(NORTH, DeviceId("serial:z"), kinds.UPDATE_SUCCEEDED, 102.0)
    controller.report(NORTH, A, kinds.UPDATE_SUCCEEDED, 102.0, rollout="autumn")
    controller.step(103.0)

    assert controller.progress()[A].stage is Stage.ASSIGNED


def test_a_late_or_repeated_report_changes_no_outcome(controller: Controller) -> None:
    """What is done is done."""
    controller.step(101.0)
    controller.report(NORTH, A, kinds.UPDATE_SUCCEEDED, 110.0)
    controller.report(NORTH, A, kinds.UPDATE_STEP, 109.0, state="wait")
    controller.report(NORTH, A, kinds.UPDATE_FAILED, 111.0, code="x")
    controller.step(112.0)

    assert controller.progress()[A].stage is Stage.SUCCEEDED


def test_a_name_is_used_once(controller: Controller) -> None:
    """And an unknown name is said so."""
    with pytest.raises(Conflict, match="there is a rollout 'spring' already"):
        controller.database.change(lambda c: execute.start(c, INTENT, now=200.0))
    with pytest.raises(NotFound, match="there is no rollout 'autumn'"):
        controller.database.change(lambda c: execute.pause(c, RolloutId("autumn"), by="x", reason="y", now=200.0))
