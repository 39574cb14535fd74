"""What a scan learns of a crowd of 250 devices without logging in to any, and what it sends them, twice.

The crowd is mixed, ill-mannered and partly no cameras at all (`bartizan_lab.crowd`); what is learned is compared with
the truth. Recall is how much of what could be known is known, precision how much of what is said is right. The second
scan is of the same segment, unchanged.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan_agent.discovery.interfaces import named
from bartizan_agent.discovery.looked import Looked
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.sweep import target
from bartizan_agent.inventory import Known, merge
from bartizan_agent.knowledge import packaged
from bartizan_lab.cameras import Fault
from bartizan_lab.crowd.plan import FIRMWARE, MAKER, MODEL, Inhabitant, inhabitants
from bartizan_lab.crowd.site import INTERFACE, crowded
from bartizan_lab.netns import Namespace, sweep
from bench.floor import Goal, Result, report


class Score:
    """Counts of what was said, what was right, and what could have been said."""

    def __init__(self) -> None:
        self.said = self.right = self.knowable = self.known = 0

    def count(self, said: str, real: str, *, is_knowable: bool) -> None:
        is_right = bool(said) and (said == real or said.startswith(f"{real} build "))
        self.said += bool(said)
        self.right += is_right
        self.knowable += is_knowable
        self.known += is_knowable and is_right


class Scanned:
    """One scan of the segment, and what it cost."""

    def __init__(self, gateway: Namespace, looked: Looked, known: dict[DeviceId, Known]) -> None:
        knowledge = packaged()
        with gateway.entered():
            before, began = packets_sent(gateway), time.perf_counter()
            observations = asyncio.run(scan([target(named(INTERFACE), None, Limits())], looked=looked))
            self.seconds = time.perf_counter() - began
        self.packets = packets_sent(gateway) - before
        self.connections = sum(len(observation.open_ports) for observation in observations)
        merged = merge(
            known, observations, directory=knowledge.directory, advisories=knowledge.advisories, at=time.time()
        )
        self.known = merged.devices
        self.changed = {x.device for x in merged.changes if x.detail.get("field") != "addresses"}


def measure() -> Iterator[Result]:
    crowd = inhabitants()
    sweep()
    with crowded(crowd) as gateway:
        looked = Looked()
        first = Scanned(gateway, looked, {})
        again = Scanned(gateway, looked, first.known)
    yield from judged([entry.device for entry in first.known.values()], crowd)
    yield Result("first scan", first.seconds, "s")
    yield Result("second scan, nothing changed", again.seconds, "s", first.seconds)
    yield Result("packets sent by the first scan, per device", first.packets / len(crowd), "")
    yield Result(
        "packets sent by the second scan",
        again.packets,
        "",
        first.packets,
        Goal("ratio", at_most=0.1),
    )
    yield Result("ports connected to by the second scan", again.connections, "", first.connections)
    slow = sum(Fault.SLOW in inhabitant.camera.state.faults for inhabitant in crowd if inhabitant.camera)
    # What the slow said to the first scan arrives in time for the second.
    yield Result(
        "devices that the second scan takes for others", len(again.changed), "", goal=Goal("value", at_most=slow)
    )


def judged(found: Sequence[Device], crowd: Sequence[Inhabitant]) -> Iterator[Result]:
    """Compare what was found with what is there."""
    scores = {MAKER: Score(), MODEL: Score(), FIRMWARE: Score()}
    known = {device.macs[0]: device.identity for device in found if device.macs}
    for inhabitant in crowd:
        identity, truth = known.get(inhabitant.mac), inhabitant.truth
        for fact, score in scores.items():
            said = str(getattr(identity, fact)) if identity else ""
            score.count(said, str(getattr(truth, fact)), is_knowable=fact in truth.knowable)
    macs = {inhabitant.mac for inhabitant in crowd}
    yield Result("devices found", len(known.keys() & macs), f"of {len(macs)}", goal=Goal("value", at_least=len(macs)))
    yield Result("devices invented", len(found) - len(known.keys() & macs), "", goal=Goal("value", at_most=0))
    for fact, score in scores.items():
        recall, precision = 100 * score.known / score.knowable, 100 * score.right / score.said
        yield Result(f"{fact}: recall", recall, "%", goal=Goal("value", at_least=99))
        yield Result(f"{fact}: precision", precision, "%", goal=Goal("value", at_least=99))


def packets_sent(gateway: Namespace) -> int:
    shown = gateway.run("ip", "-s", "-j", "link", "show", INTERFACE)
    return int(json.loads(shown)[0]["stats64"]["tx"]["packets"])


if __name__ == "__main__":
    report(measure)
