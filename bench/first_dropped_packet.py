"""From `apply` to the first packet that does not pass, on the wire: 1,000 devices, and an open TCP stream."""

import contextlib
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.containment.render import difference, render
from bartizan_agent.nftables.enforcer import Nftables
from bench.filter_site import RECORDER, BareNftables, Site, first_at, network, ruleset
from bench.floor import Goal, Result, in_turn, report
from bench.stamps import SETTLE_SECONDS, STAMP, first_dropped

DEVICES = 1_000
CHANGES = 1_000
STREAM_DEVICES = 2


def measure() -> Iterator[Result]:
    """Measure how soon packets stop, and that none of those still allowed is lost."""
    with network() as ours, network() as bare:
        value, floor = _closing(ours, bare, ruleset(DEVICES, Level.WATCH), socket.SOCK_DGRAM)
        name = f"apply to first dropped packet, {DEVICES:,} devices"
        yield Result(name, value, "ms", floor, Goal("value", at_most=5.0))
        value, floor = _closing(ours, bare, ruleset(STREAM_DEVICES, Level.WATCH), socket.SOCK_STREAM)
        yield Result("cut of an established TCP stream", value, "ms", floor, Goal("value", at_most=2.0))
        name = f"allowed packets lost over {CHANGES:,} changes"
        yield Result(name, _lost(ours), "packets", None, Goal("value", at_most=0))


def _closing(ours: Site, bare: Site, open_rules: Ruleset, kind: socket.SocketKind) -> tuple[float, float]:
    """Return milliseconds from the call to the last packet that passed: the product's, and bare libnftables'."""
    shut = first_at(open_rules, Level.ISOLATE)
    to_shut, to_open = difference(open_rules, shut), difference(shut, open_rules)
    with _enforcer(ours) as firewall:
        with bare.gateway.entered():
            nft = BareNftables()
        firewall.apply(shut)
        nft(render(shut))

        def product() -> float:
            firewall.apply(open_rules)
            return first_dropped(ours, kind, lambda: firewall.apply(shut))

        def floor() -> float:
            nft(to_open)
            return first_dropped(bare, kind, lambda: nft(to_shut))

        return in_turn(product, floor, rounds=21)


@contextlib.contextmanager
def _enforcer(site: Site) -> Iterator[Nftables]:
    with tempfile.TemporaryDirectory() as folder:
        with site.gateway.entered():
            firewall = Nftables(Path(folder))
        with contextlib.closing(firewall):
            yield firewall


def _lost(site: Site) -> float:
    """Return how many packets of an isolated camera to its recorder are lost while another device changes."""
    rules = ruleset(STREAM_DEVICES, Level.ISOLATE)
    others = (rules, Ruleset(rules.segments, rules.estate_networks, rules.devices[:1], rules.segment_recorders))
    with site.far.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind((RECORDER, 0))
    with site.camera.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender, _enforcer(site) as firewall:
        for number in range(CHANGES):
            firewall.apply(others[number % 2])
            sender.sendto(STAMP.pack(number), receiver.getsockname())
        time.sleep(SETTLE_SECONDS)
        return CHANGES - _arrived(receiver)


def _arrived(receiver: socket.socket) -> int:
    receiver.setblocking(False)
    arrived = 0
    with contextlib.suppress(BlockingIOError):
        while receiver.recv(STAMP.size):
            arrived += 1
    return arrived


if __name__ == "__main__":
    report(measure)
