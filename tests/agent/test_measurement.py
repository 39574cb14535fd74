"""In which time it is proven what the kernel enforced: over restarts of the agent, never over what nobody saw."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.ids import BootId, SiteId
from bartizan.wire import events
from bartizan_agent import measurement, outbox
from bartizan_agent.firewall import Proof
from bartizan_agent.losses import Losses
from bartizan_agent.measurement import Look, Measurement, within
from bartizan_agent.outbox import Outbox
from bartizan_agent.store import open_store
from tests.agent.moving_clock import MovingClock


class Gateway:
    """One that may be restarted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boots = 0
        self.kernel = "kernel 1"
        self.start()

    def start(self) -> None:
        self._boots += 1
        self.store = open_store(self._folder / "store", (outbox.SCHEMA, measurement.SCHEMA))
        self._outbox = Outbox(
            self.store,
            MovingClock(),
            site=SiteId("school"),
            boot=BootId(str(self._boots)),
            limit_octets=1 << 20,
            news=lambda: None,
            losses=Losses(self._folder / "losses"),
        )
        self.measured = Measurement(self.store, self._outbox, self.kernel)

    def stop(self) -> None:
        self.measured.write()
        self.kill()

    def kill(self) -> None:
        self.store.close()

    def look(self, at: float, proof: Proof, *, wrong: str = "", monotonic: float | None = None) -> bool:
        monotonic = at if monotonic is None else monotonic
        return self.measured.take(proof, Look(at, at + 0.25, monotonic), not_enforced=wrong)

    def spans(self) -> list[tuple[float, float, str]]:
        self.measured.write()
        return [(span.since, span.until, span.because) for span in within(self.store, 0.0, 1e9)]

    def gaps(self) -> list[tuple[str, str, str]]:
        head = self._outbox.head()
        told = head.events if head else ()
        return [
            (one.detail["since"], one.detail["until"], one.detail["because"])
            for one in told
            if one.kind == events.EVIDENCE_GAP
        ]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path)
    with closing(one.store):
        yield one


def test_looks_without_a_change_of_anybody_else_are_one_span(gateway: Gateway) -> None:
    assert not gateway.look(100.0, Proof(5, 7))
    assert gateway.look(400.0, Proof(7, 7))
    assert gateway.look(700.0, Proof(7, 9))

    assert gateway.spans() == [(100.25, 700.0, "")]
    assert gateway.gaps() == []


def test_a_restart_of_the_agent_over_an_untouched_table_is_no_gap(gateway: Gateway) -> None:
    gateway.look(100.0, Proof(5, 7))
    gateway.look(150.0, Proof(7, 7))
    gateway.kill()  # what was written last is of 100

    gateway.start()
    assert gateway.look(1000.0, Proof(7, 8))
    assert gateway.spans() == [(100.25, 1000.0, "")]


def test_a_table_that_somebody_touched_meanwhile_is_one(gateway: Gateway) -> None:
    gateway.look(100.0, Proof(5, 7))
    gateway.stop()
    gateway.start()
    assert not gateway.look(1000.0, Proof(8, 9))

    assert gateway.spans() == [(100.25, 100.25, ""), (1000.25, 1000.25, measurement.WHILE_AWAY)]
    assert gateway.gaps() == [("100.250", "1000.250", measurement.WHILE_AWAY)]


def test_another_boot_is_one_whatever_the_generations_say(gateway: Gateway) -> None:
    gateway.look(100.0, Proof(5, 7))
    gateway.stop()
    gateway.kernel = "kernel 2"
    gateway.start()

    assert not gateway.look(1000.0, Proof(7, 7))
    assert gateway.spans()[1:] == [(1000.25, 1000.25, measurement.RESTARTED)]


def test_a_flushed_table_is_one_from_the_look_before_until_it_is_repaired(gateway: Gateway) -> None:
    gateway.look(100.0, Proof(5, 7))
    gateway.look(200.0, Proof(7, 7))
    gateway.look(
        300.0, Proof(7, 8, "the packet filter was not as applied: the table is gone"), wrong="the table is gone"
    )
    assert not gateway.look(310.0, Proof(8, 9))
    assert gateway.look(320.0, Proof(9, 9))

    because = "the packet filter was not as applied: the table is gone"
    assert gateway.spans() == [(100.25, 200.0, ""), (310.25, 320.0, because)]
    assert gateway.gaps() == [("200.000", "310.250", because)]


def test_one_that_was_repaired_between_two_looks_is_one_too(gateway: Gateway) -> None:
    gateway.look(100.0, Proof(5, 7))
    assert not gateway.look(310.0, Proof(7, 9, "the table is gone"))

    assert gateway.spans() == [(100.25, 100.25, ""), (310.25, 310.25, "the table is gone")]


@pytest.mark.parametrize("step", [-3600.0, 86400.0])
def test_a_clock_that_is_set_ends_a_span(gateway: Gateway, step: float) -> None:
    gateway.look(100_000.0, Proof(5, 7))
    assert not gateway.look(100_300.0 + step, Proof(7, 7), monotonic=100_300.0)

    (first, second) = gateway.spans()
    assert first == (100_000.25, 100_000.25, "")
    assert second[0] >= first[1]
    assert second[2] == f"the gateway's clock was set by {step:+.0f} seconds"


def test_spans_are_kept_for_a_while_only(gateway: Gateway) -> None:
    for at in range(measurement.KEPT + 50):
        gateway.look(float(at), Proof(0, 1, "another program"))

    assert len(gateway.spans()) == measurement.KEPT
