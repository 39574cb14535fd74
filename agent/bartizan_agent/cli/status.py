"""`bartizan-agent status`: is this site contained, and how old is what it is contained by? Needs no running agent."""

import argparse
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from bartizan.wire.up import SelfTest
from bartizan_agent.cli import DONE, FAILED, Subparsers, json_option, say
from bartizan_agent.clock import BEHIND_SECONDS

if TYPE_CHECKING:
    from bartizan_agent.local import Local

MANY_EVENTS = 1000  # waiting for the controller


class Status(msgspec.Struct, frozen=True):
    """What the command says. Times are Unix seconds."""

    site: str
    stands_by_for: str
    """The site whose cameras this gateway holds as that one's standby; empty where it is no standby."""
    healthy: bool
    troubles: tuple[str, ...]
    """Why it is not, in words; what to do about each is in the operating guide."""
    running: bool
    connected: bool
    link_since: float | None
    """Since when the controller is here or away; None if it was never tried."""
    tls: str
    """The version of TLS by which the controller is here, both sides with certificates; empty while it is not."""
    catalogue: dict[str, int]
    catalogue_expires_at: float
    policy_in_force: int
    """Version of the policy role; 0 before the first catalogue."""
    policy_waits_until: float
    """When the policy of `catalogue` is in force at the latest, where it waits for its turn; else 0."""
    estate_orders: int
    site_orders: int
    released: str
    levels: dict[str, int]
    """Devices by the level at which the kernel really holds them."""
    held_otherwise: tuple[str, ...]
    """Devices that the kernel does not hold as policy and orders want, as `id: wanted / enforced`."""
    drift: tuple[str, ...]
    self_test: SelfTest | None
    """What came of the last attempt to get out of the camera segments; None: none was made by the agent."""
    events_pending: int
    certificate_renewal_due: bool
    switch_ports: tuple[str, ...] = ()
    """Ports of managed switches that hold devices, as last read back."""
    switches_read_at: float = 0.0
    """When they were; 0 where no switch was ever read."""


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "status",
        help="say what is enforced, how old it is, and what is wrong",
        description="Reads the state folder and the kernel, so it tells the truth whether the agent runs or not.",
        epilog="Exit codes: 0 healthy, 1 degraded, 3 not enrolled.",
    )
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    from bartizan_agent.local import find
    from bartizan_agent.places import Places

    local = find(Places(arguments.state), arguments.config)
    now = time.time() + local.clock_behind_seconds
    status = judge(local, now)
    say(arguments, "\n".join(lines(status, now)), status)
    return DONE if status.healthy else FAILED


def judge(local: "Local", now: float) -> Status:
    """Return the status of a gateway as found."""
    last_good, link = local.last_good, local.link
    otherwise = _held_otherwise(local, now)
    connected = local.is_running and link is not None and link.connected
    renewal_due = _renewal_due(local, now)
    troubles = [
        *([] if local.is_running else ["the agent is not running: systemctl start bartizan-agent"]),
        *([] if connected or not local.is_running else ["the controller cannot be reached; the last good state holds"]),
        *([] if last_good.versions() else ["no catalogue was ever accepted: unknown devices are isolated"]),
        *(["the catalogue has expired: nothing is flashed"] if _has_expired(local, now) else []),
        *([_clock_trouble(local)] if local.clock_behind_seconds > BEHIND_SECONDS else []),
        *([f"containment is {local.released.sentence()}"] if local.released else []),
        *([f"the way to the controller is let through: {local.let_through}"] if local.let_through else []),
        *(["the packet filter's table is not there"] if not local.kernel.is_there and not local.released else []),
        *([f"the packet filter was changed: {local.kernel.drift[0]}"] if local.kernel.drift else []),
        *(f"the self-test got out: {way}" for way in (local.self_test.failed if local.self_test else ())),
        *([f"not held as wanted: {len(otherwise)} of the devices"] if otherwise and not local.released else []),
        *([f"{local.events_pending} events wait for the controller"] if local.events_pending > MANY_EVENTS else []),
        *(local.switches.enforced.troubles() if local.switches else []),
        *local.problems,
    ]
    return Status(
        site=local.settings.site,
        stands_by_for=last_good.serves if last_good.serves != last_good.site else "",
        healthy=not troubles,
        troubles=tuple(troubles),
        running=local.is_running,
        connected=connected,
        link_since=link.since if link else None,
        tls=link.tls if link and connected else "",
        catalogue=last_good.versions(),
        catalogue_expires_at=last_good.catalogue.expires_at,
        policy_in_force=last_good.policy_in_force,
        policy_waits_until=last_good.waiting.ends_at if last_good.waiting else 0.0,
        estate_orders=last_good.generation(None),
        site_orders=last_good.generation(last_good.serves),
        released=local.released.sentence() if local.released else "",
        levels=dict(Counter(level.value for level in local.kernel.levels.values())),
        held_otherwise=otherwise,
        drift=local.kernel.drift,
        self_test=local.self_test,
        events_pending=local.events_pending,
        certificate_renewal_due=renewal_due,
        switch_ports=_switch_ports(local),
        switches_read_at=local.switches.at if local.switches else 0.0,
    )


def lines(status: Status, now: float) -> list[str]:
    """Return the status for people."""
    roles = ", ".join(f"{role} {version}" for role, version in sorted(status.catalogue.items())) or "none"
    expires = f", expires {_day(status.catalogue_expires_at)}" if status.catalogue else ""
    controller = "here" if status.connected else "away"
    since = f" for {_duration(now - status.link_since)}" if status.link_since and status.running else ""
    secured = f", mutual {status.tls}" if status.tls else ""
    levels = ", ".join(f"{count} at {level}" for level, count in sorted(status.levels.items())) or "no devices held"
    waits = (
        f"{status.policy_in_force}; {status.catalogue.get('policy')} waits until {_minute(status.policy_waits_until)}"
    )
    rows = [
        ("site", f"{status.site}, standby for {status.stands_by_for}" if status.stands_by_for else status.site),
        ("agent", "running" if status.running else "not running"),
        ("controller", f"{controller}{since}{secured}" if status.running else "unknown"),
        ("catalogue", f"{roles}{expires}"),
        *([("policy", waits)] if status.policy_waits_until else []),
        ("orders", f"estate {status.estate_orders}, site {status.site_orders}"),
        ("enforced", "nothing: released" if status.released else levels),
        *([("switches", _switches(status, now))] if status.switches_read_at else []),
        ("self-test", _tested(status.self_test, now)),
        ("events", f"{status.events_pending} waiting for the controller"),
    ]
    shown = [f"{name:<12}{text}" for name, text in rows]
    shown += [f"{'held not as wanted':<12} {one}" for one in status.held_otherwise if not status.released]
    return [*shown, "healthy" if status.healthy else "DEGRADED", *(f"  - {trouble}" for trouble in status.troubles)]


def _switches(status: Status, now: float) -> str:
    return f"{len(status.switch_ports)} devices held, read back {_duration(now - status.switches_read_at)} ago"


def _switch_ports(local: "Local") -> tuple[str, ...]:
    held = local.switches.enforced.held() if local.switches else {}
    return tuple(f"{device}: {where}" for device, where in sorted(held.items()))


def _tested(test: SelfTest | None, now: float) -> str:
    if test is None:
        return "never"
    words = {"blocked": "blocked", "not-blocked": "GOT OUT", "not-run": "could not be run"}
    seen = "; ".join(test.failed or test.proven or test.untested)
    return f"{words.get(test.outcome, test.outcome)} {_duration(now - test.at)} ago: {seen}"


def _held_otherwise(local: "Local", now: float) -> tuple[str, ...]:
    from bartizan.policy.evaluate import Evaluator

    last_good = local.last_good
    evaluator = Evaluator(last_good.catalogue, last_good.facts, last_good.books)
    found = []
    for device in local.devices:
        wanted, enforced = evaluator.verdict(device, now).level, local.kernel.levels.get(device.id)
        if wanted is not enforced:
            found.append(f"{device.id}: {wanted.value} / {enforced.value if enforced else 'not held'}")
    return tuple(found)


def _has_expired(local: "Local", now: float) -> bool:
    return bool(local.last_good.versions()) and local.last_good.is_expired(now)


def _clock_trouble(local: "Local") -> str:
    behind = _duration(local.clock_behind_seconds)
    return f"the clock is {behind} behind a time already seen here: set it (timedatectl); nothing is flashed until then"


def _renewal_due(local: "Local", now: float) -> bool:
    from bartizan.errors import BartizanError

    try:
        return local.keys.is_renewal_due(now)
    except BartizanError:
        return True


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
