"""The site's posture: what is wanted of each device, what is in force, and what became of it."""

from collections.abc import Iterable

from msgspec.structs import replace

from bartizan.containment.model import DeviceDrops
from bartizan.identity.model import Device
from bartizan.wire.up import Posture
from bartizan_agent.containment import level_of
from bartizan_agent.drivers import driver_for
from bartizan_agent.evidence import NO_SWITCHES, device_postures, limits
from bartizan_agent.parts import Parts
from bartizan_agent.reconcile import Link


def posture_of(parts: Parts, devices: tuple[Device, ...], totals: Iterable[DeviceDrops]) -> Posture:
    """Return how these devices are held, by what was last read back.

    Args:
        parts: Of the gateway.
        devices: All of the site.
        totals: Packets dropped on either side of each device, as last counted.
    """
    last_good, containment = parts.last_good, parts.containment
    enforced, released = containment.enforced, containment.released
    switches = parts.switches.enforced if parts.switches else NO_SWITCHES
    recorders = last_good.facts.recorders
    why = (
        limits(devices, containment.verdicts, parts.links(), recorders, enforced.bypasses, switches)
        | containment.problems
    )
    levels = {} if released else level_of(enforced)
    return Posture(
        catalogue=last_good.versions(),
        catalogue_expired=last_good.is_expired(parts.clock.now()),
        estate_orders=last_good.generation(None),
        site_orders=last_good.generation(last_good.serves),
        ruleset_digest=enforced.digest,
        devices=device_postures(devices, containment.verdicts, levels, totals, why, switches),
        drops=parts.attempts.latest(),
        names=parts.names.latest(),
        policies=tuple(f"{policy.id}@{policy.version}" for policy in last_good.catalogue.policies),
        policy=last_good.policy_in_force,
        policy_waits_until=last_good.waiting.ends_at if last_good.waiting else 0.0,
        self_test=parts.proving.last,
        addresses=tuple(dict.fromkeys(address for link in parts.links() for address in link.own)),
        disk_full=parts.places.is_full(),
        released=released.sentence() if released else "",
        segments_gone=gone(parts.links()),
    )


def gone(links: Iterable[Link]) -> tuple[str, ...]:
    """Return, of each segment whose interface is not there under its name, what became of it, in words."""
    links = tuple(links)
    called_now = {link.instead_of: link.interface for link in links if link.instead_of}
    return tuple(_became(link.interface, called_now.get(link.interface, "")) for link in links if link.missing)


def with_driver(device: Device) -> Device:
    """Return the device with the name of the driver that reads it, if there is one."""
    driver = driver_for(device.identity)
    return device if driver is None or device.driver == driver.name else replace(device, driver=driver.name)


def _became(name: str, called_now: str) -> str:
    if called_now:
        return f"interface {name} is called {called_now} now, which is held at the segment's default level"
    return f"interface {name} is gone: if it is there under a name unknown here, nobody holds what is plugged into it"
