"""`bartizan site show`: what one site was told, against what its gateway holds and measures."""

from collections.abc import Iterator
from typing import Any

import click

from bartizan.cli.connection import Controller
from bartizan.cli.options import asking
from bartizan.cli.self_test import lines
from bartizan.cli.terminal import Terminal, when

Json = dict[str, Any]
SHOWN = 20  # devices that are not held as wanted


@click.command()
@click.argument("name")
@asking
def show(terminal: Terminal, controller: Controller, name: str) -> None:
    """Show site NAME: its gateway, what it was told and holds, what it measures, and what is not as wanted."""
    site = controller.get(f"sites/{name}", Json)
    found = controller.get(f"sites/{name}/posture", Json)
    terminal.fields(
        [
            ("site", _titled(site)),
            ("organisation", site["organisation"]),
            *_gateway(name, found),
            *_held(found),
            *([("differs", "\n".join(found["differences"]))] if found["differences"] else []),
            *standby_rows(name, found),
        ],
        value={**site, **found},
    )


def _titled(site: Json) -> str:
    return f"{site['id']} ({site['name']})" if site["name"] and site["name"] != site["id"] else site["id"]


def _gateway(name: str, found: Json) -> Iterator[tuple[str, object]]:
    gateway = found["gateway"]
    if gateway is None:
        yield "gateway", f"none enrolled: make a token for it with: bartizan site token {name}"
        return
    away = f"away, last heard {when(gateway['last_seen']) or 'never'}"
    yield "gateway", "connected" if gateway["connected"] else away
    yield "agent", f"{gateway['agent_version'] or 'not heard yet'}, capability {gateway['capability']}"
    yield "enrolled", when(gateway["enrolled_at"])
    if abs(gateway["clock_offset"]) >= 1:
        yield "clock", f"{gateway['clock_offset']:+.0f} s from the controller's"
    if gateway["events_pending"]:
        yield "events", f"{gateway['events_pending']} are still to come from it"


def _held(found: Json) -> Iterator[tuple[str, object]]:
    posture = found["posture"]
    if posture is None:
        yield "measured", "never: it has not reported"
        return
    yield "measured", f"{found['age_seconds']:.0f} s ago"
    yield "catalogue", _versions(posture["catalogue"], found["catalogue"], expired=posture["catalogue_expired"])
    yield "policies", "\n".join(posture["policies"]) or "none in force"
    if posture["policy_waits_until"]:
        yield "waits", f"a newer policy, in force by {when(posture['policy_waits_until'])} at the latest"
    for label, key in (("estate orders", "estate_orders"), ("site orders", "site_orders")):
        held, told = posture[key], found[key]
        yield label, "none" if not held and not told else f"{held}" if held >= told else f"{held}, told {told}"
    if addresses := _addresses(found["gateway"], posture):
        yield "addresses", f"{addresses}, on its camera segments"
    if posture["disk_full"]:
        yield (
            "disk",
            "full: it enforces and obeys, but what happens there is being lost. Free some space on the gateway",
        )
    if posture["segments_gone"]:
        yield "segments", "\n".join(posture["segments_gone"])
    if posture["released"]:
        yield "released", posture["released"]
    yield "ruleset", posture["ruleset_digest"] or "nothing is enforced"
    yield "self-test", "\n".join(lines(posture["self_test"]))
    counts = found["counts"]
    devices = counts.get("devices", {}).get("", 0)
    yield "devices", f"{devices}, {counts.get('agrees', {}).get('true', 0)} held as wanted"
    yield (
        "levels",
        ", ".join(f"{level or 'not measured'} {count}" for level, count in sorted(counts.get("enforced", {}).items())),
    )
    yield "not as wanted", "\n".join(_not_as_wanted(found["disagreeing"]))


def standby_rows(name: str, found: Json) -> Iterator[tuple[str, object]]:
    """Yield whom a gateway stands by for, or whether those that do so for this one could take over."""
    if found["serves"] != name:
        yield "standby for", f"{found['serves']}: its devices are counted there"
    for standby in found["standbys"]:
        ready = f"ready to take over, measured {standby['age_seconds'] or 0:.0f} s ago"
        lacks = "; ".join(standby["lacks"])
        state = f"CANNOT TAKE OVER: {lacks}" if lacks else ready
        has = _addresses(standby["member"]["gateway"], standby["member"]["posture"])
        name = standby["member"]["site"]
        yield "standby", "\n".join([f"{name}: {state}" + (f"; has {has}" if has else ""), *standby["differences"]])


def _addresses(gateway: Json | None, posture: Json | None) -> str:
    """Return what a gateway has on its camera segments; of one that is away nobody knows, and nothing is said."""
    is_here = bool(gateway and gateway["connected"])
    return ", ".join(posture["addresses"]) if is_here and posture else ""


def _versions(held: Json, told: Json, *, expired: bool) -> str:
    behind = sorted(role for role, version in told.items() if held.get(role, 0) < version)
    listed = ", ".join(f"{role} {version}" for role, version in sorted(held.items())) or "none"
    lacks = f"\nlacks {', '.join(f'{role} {told[role]}' for role in behind)}" if behind else ""
    return listed + lacks + ("\nexpired: it keeps enforcing, and flashes nothing" if expired else "")


def _not_as_wanted(disagreeing: list[Json]) -> Iterator[str]:
    for state in disagreeing[:SHOWN]:
        posture = state["posture"] or {}
        why = posture.get("not_enforceable_because") or "not enforced yet"
        levels = f"{posture.get('enforced') or 'nothing'}, wanted {posture.get('wanted') or 'nothing'}"
        yield f"{state['device']['id']}: {levels}: {why}"
    if len(disagreeing) > SHOWN:
        yield "and more: see them with bartizan device list --disagreeing"
