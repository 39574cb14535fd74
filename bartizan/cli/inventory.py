"""`bartizan site|device|event`: what is where, what it runs, how it is held, and what happened."""

import time
from typing import Any

import click

from bartizan.cli.connection import Controller
from bartizan.cli.options import asking
from bartizan.cli.terminal import Failed, Terminal, when
from bartizan.containment.level import Level
from bartizan.identity.model import Kind

Json = dict[str, Any]
FOLLOW_SECONDS = 30


@click.group()
def site() -> None:
    """Sites and their gateways."""


@site.command(name="list")
@click.option("--organisation", help="Only this one and those below it.")
@asking
def list_sites(terminal: Terminal, controller: Controller, organisation: str | None) -> None:
    """List sites, and how their gateways are."""
    sites = pages(controller, "sites", organisation=organisation)
    postures = [controller.get(f"sites/{each['id']}/posture", Json) for each in sites]
    terminal.table(
        ("site", "organisation", "gateway", "devices", "as wanted", "measured"),
        [_site_row(each, posture) for each, posture in zip(sites, postures, strict=True)],
        value=[{**each, "posture": posture} for each, posture in zip(sites, postures, strict=True)],
        nothing="There are no sites. Make one with: bartizan site add NAME --organisation ORGANISATION",
    )


@site.command()
@click.argument("name")
@click.option("--organisation", required=True, help="Whose site it is; made if it does not exist.")
@click.option("--title", default="", help="What people call it.")
@asking
def add(terminal: Terminal, controller: Controller, name: str, organisation: str, title: str) -> None:
    """Make a site. Until two people have signed what it is, it counts as sensitive.

    NAME is its id, for ever: 1 to 64 of a-z, 0-9 and '-'. Making an organisation along with it needs the role admin.
    """
    if organisation not in {each["id"] for each in controller.get("organisations", list[Json])}:
        controller.post("organisations", Json, {"id": organisation})
    made = controller.post("sites", Json, {"id": name, "organisation": organisation, "name": title})
    terminal.say(f"{name} is made; enrol its gateway with: bartizan site token {name}", value=made)


@site.command()
@click.argument("name")
@asking
def token(terminal: Terminal, controller: Controller, name: str) -> None:
    """Make a one-time token, with which the agent on the gateway of site NAME enrols."""
    made = controller.post(f"sites/{name}/enrolment-token", Json)
    terminal.say(made["token"], value=made)


@site.command()
@click.argument("name")
@click.confirmation_option(prompt="Shut this gateway out? Its cameras stay held as they are.")
@asking
def revoke(terminal: Terminal, controller: Controller, name: str) -> None:
    """Shut the gateway of site NAME out: its certificates are no longer accepted."""
    controller.post(f"sites/{name}/revoke", type(None))
    terminal.say(f"the gateway of {name} is shut out; enrol a new one to let it in", value={"revoked": name})


@site.command()
@click.argument("name", required=False)
@asking
def scan(terminal: Terminal, controller: Controller, name: str | None) -> None:
    """Have the gateway of site NAME, or every gateway, look at its segments again."""
    asked = controller.post("scans", Json, {"site": name})
    terminal.say("asked for", value=asked)


@click.group()
def device() -> None:
    """Cameras, recorders and whatever else was found."""


@device.command(name="list")
@click.option("--site", help="Only at this site.")
@click.option("--maker", help="Only by this maker, as in makers.yaml.")
@click.option("--model", help="Only this model.")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only this kind.")
@click.option("--level", type=click.Choice([level.value for level in Level]), help="Only those to be held so.")
@click.option("--advisory", help="Only those open to this advisory.")
@click.option("--vulnerable/--not-vulnerable", default=None, help="Only those open to any advisory, or to none.")
@click.option("--disagreeing", is_flag=True, help="Only those that are not held as wanted.")
@asking
def list_devices(terminal: Terminal, controller: Controller, *, disagreeing: bool, **wanted: Any) -> None:
    """List devices."""
    agrees = False if disagreeing else None
    found = pages(controller, "devices", agrees=agrees, **wanted)
    terminal.table(
        ("site", "device", "address", "maker", "brand", "model", "firmware", "sure", "level", "dropped", "open to"),
        [_device_row(each) for each in found],
        value=found,
        nothing="No device matches." if any(value is not None for value in wanted.values()) else NO_DEVICES,
    )


NO_DEVICES = "No device was reported yet. Is a gateway enrolled? See: bartizan site list"


@device.command()
@click.argument("name")
@click.option("--site", help="Where it is, if it is known at several sites.")
@asking
def show(terminal: Terminal, controller: Controller, name: str, site: str | None) -> None:
    """Show one device: who made it and how that is known, how it is held and why, and what changed.

    NAME is its id, serial number, MAC or address.
    """
    at = find(controller, name, site)
    detail = controller.get(f"sites/{at['site']}/devices/{at['device']['id']}", Json)
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
            ("first seen", when(state["device"]["first_seen"])),
            ("open to", " ".join(state["device"]["vulnerabilities"])),
            ("level", f"{posture.get('enforced') or 'nothing'}, wanted {posture.get('wanted', 'nothing')}"),
            ("why", "\n".join(posture.get("explanation", ()))),
            ("dropped", f"{posture.get('dropped_packets', 0)} packets"),
            ("problems", "\n".join(state["device"]["problems"])),
            ("history", "\n".join(_change(each) for each in detail["history"][:20])),
        ],
        value=detail,
    )


@click.group()
def event() -> None:
    """What gateways and the controller noticed."""


@event.command(name="list")
@click.option("--site", help="Only of this site.")
@click.option("--device", help="Only about this device.")
@click.option("--kind", help="Only of this kind, as in docs/events.md.")
@click.option("--after", default=0, help="Only after this number.")
@click.option("--follow", is_flag=True, help="Go on as events come; end with Ctrl-C.")
@asking
def list_events(terminal: Terminal, controller: Controller, *, after: int, follow: bool, **wanted: Any) -> None:
    """List events, oldest first."""
    page = controller.get("events", Json, after=after, limit=1000, **wanted)
    terminal.table(
        ("number", "time (UTC)", "site", "kind", "device", "detail"),
        [_event_row(each) for each in page["items"]],
        value=page["items"],
        nothing="Nothing happened yet." if not follow else "",
    )
    while follow:
        page = controller.get("events", Json, after=page["next"], wait_seconds=FOLLOW_SECONDS, **wanted)
        for each in page["items"]:
            terminal.say("  ".join(str(cell) for cell in _event_row(each)), value=each)
        if not page["items"]:
            time.sleep(1)  # a controller that answers at once must not be asked without pause


def pages(controller: Controller, path: str, **wanted: Any) -> list[Json]:
    """Return everything of a paged list."""
    found: list[Json] = []
    after = ""
    while True:
        page = controller.get(path, Json, after=after, limit=1000, **wanted)
        found += page["items"]
        if not page["next"]:
            return found
        after = page["next"]


def find(controller: Controller, name: str, site: str | None) -> Json:
    """Return the one device that `name` (its id, serial number, MAC or address) means.

    Raises:
        Failed: There is none, or more than one.
    """
    found = [each for each in pages(controller, "devices", site=site) if name.lower() in _names(each)]
    if not found:
        raise Failed(f"no device is called {name!r}: give its id, serial number, MAC or address")
    if len(found) > 1:
        places = ", ".join(f"{each['device']['id']} at {each['site']}" for each in found)
        raise Failed(f"{name!r} is not one device: {places}; say which with --site or by its id")
    return found[0]


def _names(state: Json) -> set[str]:
    device_, identity = state["device"], state["device"]["identity"]
    return {
        each.lower() for each in (device_["id"], identity["serial"], *device_["macs"], *device_["addresses"]) if each
    }


def _site_row(each: Json, posture: Json) -> tuple[object, ...]:
    gateway = posture["gateway"]
    state = "none enrolled" if gateway is None else "connected" if gateway["connected"] else "away"
    counts = posture["counts"]
    devices = counts.get("devices", {}).get("", 0)
    agree = counts.get("agrees", {}).get("true", 0)
    age = posture["age_seconds"]
    return (
        each["id"],
        each["organisation"],
        state,
        devices,
        f"{agree} of {devices}",
        "never" if age is None else f"{age:.0f} s ago",
    )


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
        wanted if state["agrees"] else f"{enforced} (wanted {wanted or 'nothing yet'})",
        posture.get("dropped_packets", 0),
        len(state["device"]["vulnerabilities"]) or "",
    )


def _event_row(each: Json) -> tuple[object, ...]:
    detail = ", ".join(f"{name} {value}" for name, value in each["detail"].items())
    return each["number"], when(each["at"]), each["site"], each["kind"], each["device"] or "", detail


def _change(each: Json) -> str:
    return f"{when(each['at'])}  {each['field']}: {each['before'] or '(nothing)'} -> {each['after'] or '(nothing)'}"
