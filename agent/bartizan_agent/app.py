"""The composition root: builds the agent by hand and runs its parts in one task group.

What was last good is enforced before any connection is made. A part that fails is begun again after a pause, without
the others; only containment is no such part: where its own logic fails, the kernel is left as it is and the process
ends, for the service manager to begin it anew.
"""

import asyncio
import logging
import random
import signal
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bartizan.containment.model import Ruleset
from bartizan.ids import BootId
from bartizan_agent import (
    announcements,
    attempts,
    holdings,
    measurement,
    memory,
    names,
    outbox,
    release,
    roster,
    systemd,
)
from bartizan_agent.announcements import Announcements
from bartizan_agent.apart import verify_apart
from bartizan_agent.attempts import Attempts
from bartizan_agent.bell import rings
from bartizan_agent.catalogue_fetch import CatalogueFetch
from bartizan_agent.channels import Told
from bartizan_agent.clock import GatewayClock
from bartizan_agent.confirmation import Confirmation
from bartizan_agent.containment import Containment
from bartizan_agent.firewall import Firewall
from bartizan_agent.gateway import Gateway
from bartizan_agent.holdings import Holdings
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.knowledge import known
from bartizan_agent.losses import Losses
from bartizan_agent.measurement import Measurement
from bartizan_agent.names import Names
from bartizan_agent.outbox import Outbox
from bartizan_agent.parts import CameraWork, Parts
from bartizan_agent.places import Places
from bartizan_agent.proving import Proving, Try
from bartizan_agent.renamed import Remembered
from bartizan_agent.roster import Roster
from bartizan_agent.segments import Links
from bartizan_agent.self_test import SegmentResult
from bartizan_agent.settings import Limits, Settings, Topology
from bartizan_agent.state import LastGood
from bartizan_agent.store import open_store, open_volatile, set_aside_if_damaged
from bartizan_agent.switches.attendant import SwitchAttendant
from bartizan_agent.updates import journal

if TYPE_CHECKING:
    import ssl

SCHEMAS = (
    outbox.SCHEMA,
    announcements.SCHEMA,
    roster.SCHEMA,
    release.SCHEMA,
    journal.SCHEMA,
    attempts.SCHEMA,
    measurement.SCHEMA,
    holdings.SCHEMA,
    names.SCHEMA,
)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
LONGEST_SLEEP_SECONDS = 3600.0

STORE_LOOK_SECONDS = 10.0  # at whether the disk takes a store again

Damage = tuple[tuple[str, str], ...]
"""Files and what is wrong with them."""


class DiskIsBack(Exception):
    """The disk takes a store again: begun anew, the agent will use it."""


class Opened(NamedTuple):
    """The store as it was found."""

    connection: sqlite3.Connection
    damage: Damage = ()
    is_durable: bool = True
    """Whether it outlives the process."""


log = logging.getLogger(__name__)


def run(settings: Settings, places: Places) -> int:
    """Run the agent on this machine's kernel until told to stop; return the exit code of the process."""
    from bartizan_agent.nftables.drift import foreign_changes
    from bartizan_agent.nftables.enforcer import Nftables
    from bartizan_agent.nftables.netlink import open_changes

    memory.stay_small()
    topology = settings.containment.topology
    filter_ = Nftables(places.state, topology=topology, hearing=settings.evidence)
    with closing(open_changes()) as changes, closing(filter_) as firewall:
        foreign = foreign_changes(changes, lambda: firewall.verified_generation)
        return asyncio.run(_main(settings, places, firewall, foreign))


def _attempt(settings: Settings, places: Places) -> Try:
    """Return what tries a segment in this machine's kernel, with a way to the kernel of its own."""

    def attempt(interface: str, ruleset: Ruleset) -> SegmentResult:
        from bartizan_agent.nftables.enforcer import Nftables
        from bartizan_agent.probe import probe

        topology = settings.containment.topology
        with closing(Nftables(places.state, topology=topology)) as firewall:
            return probe(interface, ruleset, firewall, topology)

    return attempt


async def serve(
    settings: Settings,
    places: Places,
    firewall: Firewall,
    foreign: AsyncIterator[object],
    attempt: Try | None = None,
) -> None:
    """Be the agent until cancelled.

    Args:
        settings: Of this gateway.
        places: Of its state folder.
        firewall: What enforces.
        foreign: Yields whenever somebody else may have changed what is enforced.
        attempt: Tries to get out of a segment; without it there are no self-tests.

    Raises:
        ExceptionGroup: Containment's own logic failed. What was enforced still is.
    """
    opened = _open(places)
    with closing(opened.connection):
        parts = build(settings, places, opened, firewall, attempt)
        gateway = Gateway(parts)
        gateway.start(opened.damage)
        systemd.tell("READY=1")
        async with asyncio.TaskGroup() as tasks:
            for name, part in _parts(parts, gateway, foreign).items():
                tasks.create_task(_supervised(name, part), name=name)
            tasks.create_task(_keep_contained(parts, gateway), name="containment")
            tasks.create_task(_gather_evidence(gateway, settings.limits), name="evidence")
            if not opened.is_durable:
                tasks.create_task(_until_the_disk_is_back(places, opened.connection), name="store")


def build(settings: Settings, places: Places, opened: Opened, firewall: Firewall, attempt: Try | None = None) -> Parts:
    """Return everything that a gateway is made of, with the last good state loaded and nothing begun."""
    connection = opened.connection
    clock, keys, news = GatewayClock(places.clock), IdentityKeys(places.keys), asyncio.Event()
    boot, site, limits = BootId(uuid.uuid4().hex), settings.site, settings.limits
    links = Links(settings.segments, settings.containment, clock, Remembered(places.interfaces))
    events = Outbox(
        connection,
        clock,
        site=site,
        boot=boot,
        limit_octets=limits.events_octets,
        news=news.set,
        losses=Losses(places.losses),
        is_durable=opened.is_durable,
    )
    told = Announcements(connection, events)
    last_good = LastGood(places, site, keys, verify=verify_apart)
    last_good.load()
    fetch = CatalogueFetch(
        settings.controller.images_url,
        lambda: _tls(keys),
        last_good,
        clock=clock,
        chance=random.Random(),
    )
    devices = Roster(connection, lambda: known(last_good.catalogue), limit=limits.devices)

    measured = Measurement(connection, events, firewall.kernel)

    def cameras(told_of_devices: Told) -> CameraWork:
        from bartizan_agent.cameras import Cameras

        return Cameras(connection, settings, places, keys, clock=clock, outbox=events, told=told_of_devices)

    return Parts(
        settings=settings,
        places=places,
        connection=connection,
        clock=clock,
        keys=keys,
        boot=boot,
        news=news,
        outbox=events,
        announcements=told,
        last_good=last_good,
        fetch=fetch,
        roster=devices,
        firewall=firewall,
        containment=Containment(
            firewall=firewall,
            last_good=last_good,
            roster=devices,
            links=links,
            places=places,
            outbox=events,
            announcements=told,
            clock=clock,
            confirmation=Confirmation(places, clock, settings.controller.confirm_seconds),
            lost_devices=bool(opened.damage),
        ),
        attempts=Attempts(connection, firewall.kernel),
        names=Names(connection),
        measurement=measured,
        holdings=Holdings(connection, measured.present.until if measured.present else 0.0),
        proving=Proving(settings, places, clock, attempt, random.Random()),
        links=links,
        cameras=cameras,
        switches=SwitchAttendant(settings.switches, places, limits.switch_seconds) if settings.switches else None,
        is_durable=opened.is_durable,
        updates_unfinished=bool(journal.Journal(connection).unfinished()),
    )


async def _main(settings: Settings, places: Places, firewall: Firewall, foreign: AsyncIterator[object]) -> int:
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    if main is not None:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, main.cancel)
    try:
        await serve(settings, places, firewall, foreign, _attempt(settings, places))
    except asyncio.CancelledError:
        log.info("told to stop; containment stays in force")
    except Exception:
        log.critical("the agent ends; containment stays in force as it is", exc_info=True)
        return 1
    finally:
        systemd.tell("STOPPING=1")
    return 0


def _parts(
    parts: Parts, gateway: Gateway, foreign: AsyncIterator[object]
) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return the parts that may fail without the others, by name."""
    # Late, so that the last good state is in force before these are read from disk.
    from bartizan_agent.discovery.pace import Limits
    from bartizan_agent.discovery.ports import Ports
    from bartizan_agent.discovery.watch import Watch
    from bartizan_agent.link import Link

    settings, keys = parts.settings, parts.keys
    is_bridge = settings.containment.topology is Topology.BRIDGE
    watch = Watch(
        settings.segments,
        gateway.observe,
        interval_seconds=settings.limits.discovery_seconds,
        limits=Limits(packets_per_second=settings.limits.discovery_packets_per_second),
        ports=Ports(segment.interface for segment in settings.segments if is_bridge),
        interfaces_changed=gateway.interfaces_changed,
    )
    link = Link(
        settings.controller,
        site=settings.site,
        boot=parts.boot,
        tls=lambda: _tls(keys),
        voice=gateway,
        outbox=parts.outbox,
        news=parts.news,
        clock=parts.clock,
        chance=random.Random(),
    )
    found: dict[str, Callable[[], Awaitable[object]]] = {
        "link": link.run,
        "catalogue": lambda: parts.fetch.run(gateway.accept),
        "discovery": watch.run,
        "scans": lambda: _scan_when_wanted(gateway, watch.scan_now),
        "cameras": lambda: _work_on_cameras(gateway),
        "drift": lambda: _notice_drift(gateway, foreign),
        "self-test": lambda: _prove(parts.proving, gateway),
        "commands": lambda: _heed_commands(parts.places.wake, gateway),
        "hearing": lambda: _hear(gateway, parts),
        "watchdog": _pat_watchdog,
    }
    switches = parts.switches
    return found if switches is None else found | {"switches": lambda: switches.run(gateway.looked_at_switches)}


def _tls(keys: IdentityKeys) -> "ssl.SSLContext":
    from bartizan_agent.tls import client_context

    return client_context(keys.ca_file, keys.certificate_file, keys.tls_key_file)


async def _supervised(name: str, part: Callable[[], Awaitable[object]]) -> None:
    """Run a part, and begin it again whenever it fails: one of the two supervising loops."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await part()
            log.error("a part ended; it is begun again", extra={"name_of_part": name})
        except Exception:
            log.exception("a part failed; it is begun again", extra={"name_of_part": name})
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _keep_contained(parts: Parts, gateway: Gateway) -> None:
    """Enforce whenever something changed, or changes by itself."""
    while True:
        await _happened(gateway.changed, parts.containment.next_look_at() - parts.clock.now())
        gateway.changed.clear()
        gateway.reconcile()


async def _gather_evidence(gateway: Gateway, limits: Limits) -> None:
    """Read the counters, often while they move and seldom while they do not."""
    wait = limits.evidence_seconds
    try:
        while True:
            moved = gateway.count()
            memory.give_back()
            wait = limits.evidence_seconds if moved else min(2 * wait, limits.evidence_seconds_idle)
            if await _happened(gateway.restless, wait):
                gateway.restless.clear()
                wait = limits.evidence_seconds
                await asyncio.sleep(wait)
    finally:
        gateway.witness.write()


async def _scan_when_wanted(gateway: Gateway, scan_now: Callable[[], None]) -> None:
    while True:
        await gateway.scan_wanted.wait()
        gateway.scan_wanted.clear()
        scan_now()


async def _work_on_cameras(gateway: Gateway) -> None:
    await gateway.cameras.is_wanted.wait()
    if gateway.cameras.work is not None:
        await gateway.cameras.work.run()


async def _notice_drift(gateway: Gateway, foreign: AsyncIterator[object]) -> None:
    async for _ in foreign:
        gateway.look()


async def _hear(gateway: Gateway, parts: Parts) -> None:
    """Hear what is dropped, as far as the kernel copies it; where it does not, say so and look again in an hour."""
    from bartizan_agent.hearing.listener import CannotHear, listen

    while True:
        deaf_because = parts.firewall.deaf_because
        gateway.witness.cannot_hear(deaf_because or "")
        if deaf_because == "":
            try:
                await listen(gateway.witness.hear)
            except CannotHear as error:
                gateway.witness.cannot_hear(str(error))
        await asyncio.sleep(LONGEST_SLEEP_SECONDS)


async def _prove(proving: Proving, gateway: Gateway) -> None:
    if proving.is_possible:
        from bartizan_agent.probe import clear_away

        await asyncio.to_thread(clear_away)
    await gateway.prove()


async def _heed_commands(path: Path, gateway: Gateway) -> None:
    async for _ in rings(path):
        gateway.attend()
        gateway.count()
        gateway.witness.write()


async def _pat_watchdog() -> None:
    seconds = systemd.watchdog_seconds()
    while True:
        await asyncio.sleep(LONGEST_SLEEP_SECONDS if seconds is None else seconds)
        systemd.tell("WATCHDOG=1")


async def _happened(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event so long at most; return whether it happened."""
    try:
        async with asyncio.timeout(max(0.0, min(seconds, LONGEST_SLEEP_SECONDS))):
            return await event.wait()
    except TimeoutError:
        return False


async def _until_the_disk_is_back(places: Places, volatile: sqlite3.Connection) -> None:
    """Wait until events can be kept on disk again, and take those there that were kept in memory.

    Raises:
        DiskIsBack: It is done.
    """
    while True:
        await asyncio.sleep(STORE_LOOK_SECONDS)
        with suppress(sqlite3.DatabaseError, OSError):
            open_store(places.store, SCHEMAS).close()
            outbox.move(volatile, places.store)
            Losses(places.losses).keep(0)
            raise DiskIsBack("the disk takes a store again; the agent ends to be begun anew with it")


def _open(places: Places) -> Opened:
    """Open the store; where that is damaged, a new one; where the disk refuses, one that ends with the process."""
    try:
        aside = set_aside_if_damaged(places.store)
        connection = open_store(places.store, SCHEMAS)
    except (sqlite3.DatabaseError, OSError) as error:
        log.exception("the store cannot be opened; events and inventory are kept in memory only")
        return Opened(open_volatile(SCHEMAS), ((str(places.store), str(error)),), is_durable=False)
    damage = () if aside is None else ((str(places.store), f"not a sound database; kept as {aside}"),)
    return Opened(connection, damage)
