"""From the PUBLISH of a signed order to the first packet on the wire that is dropped, at one gateway of 1,000 devices.

The product is `bartizan-agent run` on its own: TLS, the director's signature, its policy, the whole ruleset. The floor
is a client that runs the difference, which it is sent as text, in one libnftables transaction. Both by mosquitto on the
gateway's loopback.
"""

import contextlib
import itertools
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bartizan.containment.level import Level
from bartizan.containment.render import difference, render
from bartizan.ids import DeviceId
from bartizan.wire.topics import down
from bench import bare_subscriber
from bench.filter_site import BareNftables, Site, first_at, network, ruleset
from bench.floor import Goal, Result, in_turn, report
from bench.gateway_program import SITE, Desk, Estate, agent, desk
from bench.stamps import first_dropped

DEVICES = 1_000
ROUNDS = 21
LATE_SECONDS = 0.1
"""After this, nothing of an order is still on its way."""
CAMERA = DeviceId("device-0")
"""The one that sends."""


def measure() -> Iterator[Result]:
    """Order and let go by turns; only the order is timed."""
    with tempfile.TemporaryDirectory(prefix="bartizan-order-") as folder, network() as ours, network() as bare:
        estate = Estate(Path(folder), ruleset(DEVICES, Level.WATCH))
        with _product(estate, ours) as product, _floor(estate, bare) as floor:
            value, bare_value = in_turn(product.close, floor.close, ROUNDS)
    name = f"publish of an order to first dropped packet, {DEVICES:,} devices"
    yield Result(name, value, "ms", bare_value, Goal("value", at_most=5.0))


class Product:
    """The agent, and who gives it orders."""

    def __init__(self, estate: Estate, site: Site, at_desk: Desk) -> None:
        self._estate = estate
        self._site = site
        self._desk = at_desk
        self._generations = itertools.count(1)

    def let_go(self) -> None:
        """Give an empty book; return when the gateway has nothing more to say of it."""
        generation = next(self._generations)
        self._desk.publish(down(SITE), self._estate.orders(generation))
        self._desk.wait_for_reports_of(generation)

    def close(self) -> float:
        """Have the camera cut off; return the milliseconds until it was."""
        self.let_go()
        generation = next(self._generations)
        message = self._estate.orders(generation, CAMERA)
        took = first_dropped(
            self._site,
            socket.SOCK_DGRAM,
            lambda: self._desk.publish(down(SITE), message),
        )
        self._desk.wait_for_reports_of(generation)
        return took


class Floor:
    """The bare subscriber, and who publishes to it."""

    def __init__(self, site: Site, at_desk: Desk) -> None:
        self._site = site
        self._desk = at_desk
        open_rules = ruleset(DEVICES, Level.WATCH)
        shut = first_at(open_rules, Level.ISOLATE)
        self._to_shut, self._to_open = (difference(*pair).encode() for pair in ((open_rules, shut), (shut, open_rules)))
        with site.gateway.entered():
            BareNftables()(render(shut))

    def close(self) -> float:
        """Have the camera cut off; return the milliseconds until it was."""
        self._desk.publish(bare_subscriber.TOPIC, self._to_open)
        time.sleep(LATE_SECONDS)
        return first_dropped(
            self._site,
            socket.SOCK_DGRAM,
            lambda: self._desk.publish(bare_subscriber.TOPIC, self._to_shut),
        )


@contextlib.contextmanager
def _product(estate: Estate, site: Site) -> Iterator[Product]:
    with desk(estate, site.gateway) as sitting:
        estate.point_at(sitting.port)
        with agent(estate, site.gateway):
            sitting.wait_for_reports_of(0)
            yield Product(estate, site, sitting)


@contextlib.contextmanager
def _floor(estate: Estate, site: Site) -> Iterator[Floor]:
    with desk(estate, site.gateway) as sitting:
        program = site.gateway.command(
            sys.executable, "-m", bare_subscriber.__name__, str(estate.fleet), str(sitting.port)
        )
        child = subprocess.Popen(program, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
        try:
            assert child.stdout is not None
            if not child.stdout.readline():
                raise RuntimeError("the floor's subscriber did not connect; what it said is above")
            yield Floor(site, sitting)
        finally:
            child.terminate()
            child.communicate(timeout=10)


if __name__ == "__main__":
    report(measure)
