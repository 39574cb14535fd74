"""`bartizan device`: which devices there are, what each is, and what it was."""

import itertools
import textwrap
from typing import Any

import click
import msgspec

from bartizan.cli.connection import Controller
from bartizan.cli.filters import Wanted, filtering
from bartizan.cli.inventory import Json, pages, walk
from bartizan.cli.options import asking
from bartizan.cli.shortfalls import shortfalls
from bartizan.cli.terminal import Exit, Failed, Terminal, when
from bartizan.firmware.match import Finding, Standing, sentence

HEADINGS = ("site", "device", "address", "maker", "brand", "model", "firmware", "sure", "level", "dropped", "open to")
NO_DEVICES = "No device was reported yet. Is a gateway enrolled? See: bartizan site list"
NONE_MATCHES = "No device matches."

ATTEMPT = ("destination", "protocol", "port", "packets dropped", "first (UTC)", "last (UTC)", "from", "one packet")
ASKED = ("asked the DNS for", "times", "first (UTC)", "last (UTC)")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Show at most so many.  [default: all]")
sort_option = click.option(
    "--sort", metavar="FIELD", help="site, maker, model, firmware or first-seen; -FIELD the other way round."
)


@click.group()
def device() -> None:
    """Cameras, recorders and whatever else was found."""


@device.command(name="list")
@filtering
@click.option("--view", help="Only those of this saved view.")
@sort_option
@limit_option
@asking
def list_devices(terminal: Terminal, controller: Controller, *, wanted: Wanted, limit: int | None, **how: Any) -> None:
    """List devices. All filters have to fit; of one filter given several times, any.

    A filter means what it means in a policy: --maker hikvision --vulnerable-to CVE-2021-36260 is
    --where '{all: [{maker: hikvision}, {vulnerable-to: CVE-2021-36260}]}'.
    """
    found = list(itertools.islice(walk(controller, "devices", **wanted, **how), limit))
    show_devices(terminal, found, value=found, filtered=bool(wanted or how.get("view")))


@device.command()
@click.argument("name")
@click.option("--site", help="Where it is, if it is known at several sites.")
@asking
def show(terminal: Terminal, controller: Controller, name: str, site: str | None) -> None:
    """Show one device: who made it and how that is known, what it is vulnerable to, how it is held, and what changed.

    NAME is its id, serial number, MAC or address. Vulnerabilities come with the rule that decided, since when a flaw is
    known to be exploited, and when it is due; what does not concern the device is left out.
    """
    at = find(controller, name, site)
    place = f"sites/{at['site']}/devices/{at['device']['id']}"
    detail = controller.get(place, Json)
    found = controller.get(f"{place}/findings", _Findings).findings
    state, posture = detail["state"], detail["state"]["posture"] or {}
    identity = state["device"]["identity"]
    terminal.fields(
        [
            ("device", state["device"]["id"]),
            ("site", state["site"]),
            ("maker", f"{identity['maker'] or 'unknown'}, confidence {identity['confidence']}"),
            ("because", "\n".join(identity["reasons"])),
            ("brand", identity["brand"]),
            ("model", identity["model"]),
            ("firmware", f"{identity['firmware']} {identity['build_date']}"),
            ("serial", identity["serial"]),
            ("addresses", " ".join([*state["device"]["addresses"], *state["device"]["macs"]])),
            ("registered to", "\n".join(f"{mac}  {name}" for mac, name in detail["registered_to"].items())),
            ("first seen", when(state["device"]["first_seen"])),
            ("vulnerabilities", "\n".join(_finding(each) for each in found if each.standing in _CONCERNING)),
            ("level", f"{posture.get('enforced') or 'nothing'}, wanted {posture.get('wanted', 'nothing')}"),
            ("why", "\n".join(posture.get("explanation", ()))),
            ("on its switch", posture.get("switch") and f"enforced by {posture['switch']}"),
            ("not in full", posture.get("not_enforceable_because", "")),
            ("dropped", f"{posture.get('dropped_packets', 0)} packets"),
            ("hardening", "\n".join(shortfalls(detail["hardening"], posture))),
            ("offers", ", ".join(state["device"].get("hardening", {}).get("analytics", ()))),
            ("records", "\n".join(_channel(each) for each in state["device"].get("channels", ()))),
            ("recorded by", "\n".join(_recorder(each) for each in detail["recorded_by"])),
            ("problems", "\n".join(state["device"]["problems"])),
            ("history", "\n".join(_change(each) for each in detail["history"][:20])),
        ],
        value={**detail, "findings": found},
    )


@device.command()
@click.argument("name")
@click.option("--site", help="Where it is or was.")
@click.option("--at", metavar="DATE|TIME", help="What it was then: 2026-03-01 (all of that day, UTC), or with a time.")
@click.option("--limit", default=50, show_default=True, help="Show at most so many intervals.")
@asking
def history(terminal: Terminal, controller: Controller, name: str, site: str | None, **when_: Any) -> None:
    """Show what a device was, from when to when. The newest comes first.

    NAME is its id, serial number, MAC or address; of a device that is gone, its id, with --site.
    """
    where, identifier = _once_known(controller, name, site)
    intervals = controller.get(f"sites/{where}/devices/{identifier}/history", list[Json], **when_)
    terminal.table(
        ("from (UTC)", "to (UTC)", "firmware", "level", "facts"),
        [_interval_row(each, earlier) for each, earlier in itertools.zip_longest(intervals, intervals[1:])],
        value=intervals,
        nothing=f"Nobody knew {identifier} at {where} then." if when_["at"] else f"{where} never had a {identifier}.",
    )


@device.command()
@click.argument("name")
@click.option("--site", help="Where it is or was.")
@click.option("--since", default="7d", show_default=True, metavar="AGO|DATE|TIME", help="12h, 7d, 2026-03-01, a time.")
@asking
def attempts(terminal: Terminal, controller: Controller, name: str, site: str | None, since: str) -> None:
    """Show what a device tried to reach and was kept from. What it tried last comes first.

    NAME is its id, serial number, MAC or address; of a device that is gone, its id, with --site. Only what its level
    forbids is dropped and counted. That a device tried nothing is told as such: it is no proof of a block.
    """
    where, identifier = _once_known(controller, name, site)
    found = controller.get(f"sites/{where}/devices/{identifier}/attempts", Json, since=since)
    if terminal.as_json:
        terminal.json(found)
        return
    if found["items"]:
        rows = [_attempt_row(each, found["headers"]) for each in found["items"]]
        terminal.table(ATTEMPT, rows, value=found, nothing="")
        click.echo()
    if found["names"]:
        terminal.table(ASKED, [_asked_row(each) for each in found["names"]], value=found, nothing="")
        click.echo()
    terminal.fields(
        [
            ("since", when(found["since"])),
            ("means", "\n".join(textwrap.wrap(found["meaning"], 100))),
            ("held", "\n".join(_held(each) for each in found["held"]) or "nobody knew it"),
            ("not measured", "\n".join(_gap(each) for each in found["gaps"])),
        ],
        value=found,
    )


def find(controller: Controller, name: str, site: str | None) -> Json:
    """Return the one device that `name` (its id, serial number, MAC or address) means.

    Raises:
        Failed: There is none, or more than one.
    """
    found = pages(controller, "devices", name=name, site=site) if name.strip() else []
    if not found:
        raise Failed(f"no device is called {name!r}: give its id, serial number, MAC or address")
    if len(found) > 1:
        places = ", ".join(f"{each['device']['id']} at {each['site']}" for each in found)
        raise Failed(f"{name!r} is not one device: {places}; say which with --site or by its id")
    return found[0]


def show_devices(terminal: Terminal, found: list[Json], *, value: object, filtered: bool) -> None:
    """Show a list of devices."""
    rows = [_device_row(each) for each in found]
    terminal.table(HEADINGS, rows, value=value, nothing=NONE_MATCHES if filtered else NO_DEVICES)


def _once_known(controller: Controller, name: str, site: str | None) -> tuple[str, str]:
    found = pages(controller, "devices", name=name, site=site)
    if len(found) == 1:
        return found[0]["site"], found[0]["device"]["id"]
    if found:
        at = find(controller, name, site)  # says which there are
        return at["site"], at["device"]["id"]
    if site is None:
        raise Failed(f"no device is called {name!r} today: of one that is gone, give the id, and --site", Exit.USAGE)
    return site, name


class _Findings(msgspec.Struct):
    findings: tuple[Finding, ...]


_CONCERNING = frozenset({Standing.VULNERABLE, Standing.UNKNOWN, Standing.FIXED})


def _finding(finding: Finding) -> str:
    return f"{finding.advisory} {sentence(finding)}"


def _channel(channel: Json) -> str:
    """One channel of a recorder; a camera that nobody knows is named by what the recorder says of it."""
    said = " ".join(channel.get(name) or "" for name in ("address", "mac", "serial")).split()
    camera = channel.get("camera")
    if camera:
        return f"channel {channel['number']}  {camera}  (by its {channel['tied_by']}; {', '.join(said)})"
    return f"channel {channel['number']}  unknown camera  {', '.join(said) or 'of which nothing is said'}"


def _recorder(each: Json) -> str:
    return f"{each['recorder']}  channel {', '.join(str(number) for number in each['channels'])}"


def _device_row(state: Json) -> tuple[object, ...]:
    identity, posture = state["device"]["identity"], state["posture"] or {}
    wanted, enforced = posture.get("wanted", ""), posture.get("enforced") or "nothing"
    return (
        state["site"],
        state["device"]["id"],
        " ".join(state["device"]["addresses"][:1]),
        identity["maker"] or "unknown",
        identity["brand"],
        identity["model"],
        identity["firmware"],
        identity["confidence"],
        _held_as(state, wanted, enforced),
        posture.get("dropped_packets", 0),
        len(state["device"]["vulnerabilities"]) or "",
    )


def _held_as(state: Json, wanted: str, enforced: str) -> str:
    if state["agrees"]:
        return wanted
    return f"{enforced} (not in full)" if wanted == enforced else f"{enforced} (wanted {wanted or 'nothing yet'})"


def _interval_row(interval: Json, earlier: Json | None) -> tuple[object, ...]:
    facts, before = interval["facts"], earlier["facts"] if earlier else {}
    told = [
        f"{name} {facts.get(name) or '(nothing)'}"
        for name in [*facts, *(before.keys() - facts.keys())]
        if facts.get(name) != before.get(name)
    ]
    return (
        when(interval["since"]),
        when(interval["until"]) or "now",
        facts.get("firmware", ""),
        facts.get("enforced", ""),
        "\n".join(told) if facts else "not there",
    )


def _asked_row(asked: Json) -> tuple[object, ...]:
    return asked["name"], asked["times"], when(asked["first_at"]), when(asked["last_at"])


def _attempt_row(attempt: Json, headers: dict[str, str]) -> tuple[object, ...]:
    return (
        attempt["destination"],
        attempt["protocol"],
        attempt["port"] or "",
        attempt["packets"],
        when(attempt["first_at"]),
        when(attempt["last_at"]),
        attempt["mac"],
        headers.get(f"{attempt['mac']} {attempt['destination']} {attempt['protocol']} {attempt['port']}", ""),
    )


def _held(span: Json) -> str:
    return f"{when(span['since'])} to {when(span['until']) or 'now':<19}  {span['level'] or 'by nothing'}"


def _gap(gap: Json) -> str:
    return f"{when(gap['since'])} to {when(gap['until'])}  {gap['because']}"


def _change(each: Json) -> str:
    return f"{when(each['at'])}  {each['field']}: {each['before'] or '(nothing)'} -> {each['after'] or '(nothing)'}"
