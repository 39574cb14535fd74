"""What a scan learns of a crowd of 250 devices without logging in to any, and what it sends them, twice.

Then every camera is read once with its credential, as the agent does daily. Both times the devices say how often
somebody tried to log in.

The crowd is mixed, ill-mannered and partly no cameras at all (`bartizan_lab.crowd`); what is learned is compared with
the truth. Recall is how much of what could be known is known, precision how much of what is said is right. The second
scan is of the same segment, unchanged.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.trust.credentials import Credential
from bartizan_agent import camera_certificates, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.channels import Told
from bartizan_agent.clock import GatewayClock
from bartizan_agent.discovery.interfaces import named
from bartizan_agent.discovery.looked import Looked
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.sweep import target
from bartizan_agent.drivers import driver_for
from bartizan_agent.inventory import Known, merge
from bartizan_agent.knowledge import packaged
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.reads import Reads
from bartizan_agent.store import open_volatile
from bartizan_lab.cameras import Fault
from bartizan_lab.crowd.plan import FIRMWARE, MAKER, MODEL, Inhabitant, inhabitants
from bartizan_lab.crowd.site import INTERFACE, crowded
from bartizan_lab.netns import Namespace, sweep
from bench.floor import Goal, Result, report

READ_SECONDS = 60.0
"""For all devices once; those who are slow on purpose use up their time and are asked again later."""

SIGN_EACH = frozenset({"onvif", "bosch"})
"""Drivers of devices with WS-UsernameToken: there is no session, so each request carries the login."""


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
    with crowded(crowd) as (gateway, living):
        looked = Looked()
        first = Scanned(gateway, looked, {})
        again = Scanned(gateway, looked, first.known)
        by_scans = living.logins()
        readable = list(readable_of([entry.device for entry in again.known.values()], crowd))
        with gateway.entered():
            answered = asyncio.run(read(readable))
        by_all = living.logins()
    yield from judged([entry.device for entry in first.known.values()], crowd)
    yield Result("logins of two scans", sum(by_scans), "", goal=Goal("value", at_most=0))
    yield Result(f"devices read with a credential in {READ_SECONDS:.0f} s", answered, f"of {len(readable)}")
    once, each = logins_by_scheme(by_all, readable, crowd)
    yield Result("most logins to one device in a daily read", once, "", goal=Goal("value", at_most=1))
    yield Result("requests signed in one, where each is (ONVIF, Bosch)", each, "")
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


def readable_of(found: Sequence[Device], crowd: Sequence[Inhabitant]) -> Iterator[tuple[Device, Credential]]:
    """Return those found to which a driver speaks, with what each really lets in."""
    users = {each.mac: each.camera.state.users for each in crowd if each.camera and each.camera.state.users}
    for device in found:
        login = users.get(device.macs[0]) if device.macs and device.addresses else None
        if login is not None and driver_for(device.identity) is not None:
            yield device, Credential(*next(iter(login.items())))


def logins_by_scheme(
    logins: Sequence[int], readable: Sequence[tuple[Device, Credential]], crowd: Sequence[Inhabitant]
) -> tuple[int, int]:
    """Return the most to one device that logs in once a session, and to one of whose requests each is signed."""
    signing = {
        device.macs[0]
        for device, _ in readable
        if (driver := driver_for(device.identity)) is not None and driver.name in SIGN_EACH
    }
    counted = list(zip((each.mac for each in crowd if each.camera), logins, strict=True))
    return (
        max(count for mac, count in counted if mac not in signing),
        max(count for mac, count in counted if mac in signing),
    )


async def read(readable: Sequence[tuple[Device, Credential]]) -> int:
    """Read devices as the agent does daily, each once. Return how many answered."""
    answered: set[DeviceId] = set()
    connection = open_volatile((login_budget.SCHEMA, camera_certificates.SCHEMA))
    http = CameraHttp(LoginBudget(connection, time.time), connection)
    told = Told(lambda device, _: answered.add(device), lambda _recorder, _channels: None)
    reads = Reads(http.open, told, GatewayClock(Path("no floor")))
    reads.consider(readable)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READ_SECONDS):
            await reads.run()
    return len(answered)


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
