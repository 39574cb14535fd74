"""What a gateway knows and enforces, read from outside the agent: state folder and kernel, whether it runs or not.

Reads only. The store is opened read-only beside the agent's own connection.
"""

import socket
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.errors import BartizanError, Malformed
from bartizan.identity.model import Device
from bartizan.ids import DeviceId, OrderId
from bartizan.trust.orders import Raise
from bartizan.wire import codec
from bartizan.wire.up import SelfTest
from bartizan_agent import confirmation, link_state, proving, release
from bartizan_agent.clock import GatewayClock
from bartizan_agent.firewall import FirewallRefused
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.inventory import Known
from bartizan_agent.link_state import LinkState
from bartizan_agent.places import Places
from bartizan_agent.release import Release
from bartizan_agent.settings import EvidenceSettings, Settings, Topology, load
from bartizan_agent.state import LastGood
from bartizan_agent.switches.outcome import Seen, last_seen


class Kernel(msgspec.Struct, frozen=True):
    """What the kernel enforces, held against what was applied last."""

    is_there: bool
    drift: tuple[str, ...] = ()
    """How it differs, in words."""
    levels: dict[DeviceId, Level] = {}
    """Of the devices that are really held."""


class Local(msgspec.Struct, frozen=True):
    """One gateway as found now."""

    settings: Settings
    keys: IdentityKeys
    last_good: LastGood
    devices: tuple[Device, ...]
    events_pending: int
    kernel: Kernel
    released: Release | None
    let_through: str
    """The way to the controller, where a change of containment may have cut it; else empty."""
    link: LinkState | None
    is_running: bool
    clock_behind_seconds: float
    """How far this machine's clock is behind a time that was already seen here; 0 where it is not."""
    self_test: SelfTest | None
    """What came of the agent's last."""
    problems: tuple[str, ...]
    """What could not be read."""
    switches: Seen | None = None
    """What managed switches said last; None where none are configured, or none was asked yet."""


def find(places: Places, configuration: Path) -> Local:
    """Read everything.

    Raises:
        NotEnrolled: This gateway was never enrolled.
        BadSettings: Its configuration has a mistake.
    """
    settings = load(configuration)
    keys = IdentityKeys(places.keys)
    last_good = LastGood(places, settings.site, keys)
    last_good.load()
    problems = [f"{name}: {reason}" for name, reason in last_good.damaged.items()]
    devices: tuple[Device, ...] = ()
    pending = 0
    try:
        devices, pending = _read_store(places.store)
    except (sqlite3.Error, Malformed) as error:
        problems.append(f"{places.store}: {error}")
    if places.is_full():
        problems.append(f"the disk of {places.state} is full: free some space; events are being lost")
    problems += _missing_interfaces(settings)
    return Local(
        settings=settings,
        keys=keys,
        last_good=last_good,
        devices=devices,
        events_pending=pending,
        kernel=_read_kernel(places, settings.containment.topology, problems),
        released=release.standing(places, time.time()),
        let_through=_let_through(places),
        link=link_state.read(places.link),
        is_running=_answers(places.wake),
        clock_behind_seconds=GatewayClock(places.clock).behind_seconds(),
        self_test=proving.read(places),
        problems=tuple(problems),
        switches=last_seen(places.switches_seen) if settings.switches else None,
    )


def orders_in_force(places: Places, configuration: Path) -> tuple[OrderId, ...]:
    """Return the raises that stand now; none where that cannot be told, so that any later one counts as new."""
    try:
        settings = load(configuration)
        last_good = LastGood(places, settings.site, IdentityKeys(places.keys))
        last_good.load()
    except BartizanError:
        return ()
    return tuple(order.id for book in last_good.books for order in book.orders if isinstance(order, Raise))


def last_applied(places: Places) -> Ruleset | None:
    """Return the ruleset that the agent applied last, or None where that cannot be told."""
    try:
        return codec.decode(places.ruleset.read_bytes(), Ruleset)
    except (OSError, Malformed):
        return None


def _missing_interfaces(settings: Settings) -> list[str]:
    from bartizan_agent.discovery.interfaces import interfaces

    present = {each.name for each in interfaces()}
    missing = [each.interface for each in settings.segments if each.interface not in present]
    return [f"there is no interface {name} for its camera segment: was it renamed or taken out?" for name in missing]


def _let_through(places: Places) -> str:
    kept = confirmation.read(places)
    return confirmation.describe(kept.path) if kept.let_through else ""


def _read_store(path: Path) -> tuple[tuple[Device, ...], int]:
    if not path.exists():
        return (), 0
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
        rows = connection.execute("SELECT known FROM roster ORDER BY device").fetchall()
        pending: int = connection.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
    return tuple(codec.decode(known, Known).device for (known,) in rows), pending


def _read_kernel(places: Places, topology: Topology, problems: list[str]) -> Kernel:
    try:
        applied = codec.decode(places.ruleset.read_bytes(), Ruleset)
        return _held_against(applied, topology)
    except FileNotFoundError:
        return Kernel(is_there=False)
    except (OSError, Malformed, FirewallRefused) as error:
        problems.append(f"what is enforced cannot be told: {error}")
        return Kernel(is_there=False)


def _held_against(applied: Ruleset, topology: Topology) -> Kernel:
    from bartizan.containment.elements import elements
    from bartizan.containment.render import digest
    from bartizan.containment.rules import TABLE
    from bartizan_agent.nftables import comparison
    from bartizan_agent.nftables.enforcer import layout_of
    from bartizan_agent.nftables.listing import parse
    from bartizan_agent.nftables.tool import open_nft

    nft = open_nft()
    try:
        held = parse(nft.table(layout_of(topology).family, TABLE))
    finally:
        nft.close()
    if not held.parts:
        return Kernel(is_there=False)
    # Whether packets are copied depends on what the kernel can do as well, and says nothing of what is enforced.
    chains = {part.name for part in held.parts if part.kind == "chain"}
    layout = layout_of(topology, EvidenceSettings(headers="hear" in chains, dns_names="hear_name" in chains))
    differences = comparison.unlike(held, digest(applied), held.parts, elements(applied, layout))
    drift = (*comparison.incomplete(held, layout), *differences)
    devices = comparison.held_devices(applied, held)
    return Kernel(is_there=True, drift=drift, levels={device.id: device.level for device in devices})


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        try:
            bell.connect(str(path))
        except OSError:
            return False
    return True


def by_any_name(devices: Mapping[DeviceId, Device], name: str) -> tuple[Device, ...]:
    """Return the devices that a person may mean: by id, MAC or address."""
    wanted = name.strip().lower()
    return tuple(
        device
        for device in devices.values()
        if wanted in (device.id.lower(), *device.macs, *device.addresses) or wanted in device.id.lower()
    )
