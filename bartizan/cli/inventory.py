"""`bartizan site|event`: what is where, and what happened. Devices are in `bartizan.cli.devices`."""

import difflib
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import click

from bartizan.cli.connection import Controller
from bartizan.cli.options import asking
from bartizan.cli.self_test import self_test, summary
from bartizan.cli.terminal import Terminal, when
from bartizan.wire import events

Json = dict[str, Any]
FOLLOW_SECONDS = 30


@click.group()
def site() -> None:
    """Sites and their gateways."""


@site.command(name="list")
@click.option("--organisation", help="Only this one and those below it.")
@click.option("--segments-gone", is_flag=True, help="Only where the interface of a camera segment is gone or renamed.")
@asking
def list_sites(terminal: Terminal, controller: Controller, organisation: str | None, *, segments_gone: bool) -> None:
    """List sites, and how their gateways are."""
    sites = pages(controller, "sites", organisation=organisation)
    nothing = "There are no sites. Make one with: bartizan site add NAME --organisation ORGANISATION"
    if segments_gone:
        sites = [each for each in sites if each["segments_gone"]]
        nothing = "Every gateway that has reported has the interfaces of its camera segments."
    terminal.table(
        ("site", "organisation", "gateway", "devices", "as wanted", "measured", "segments", "self-test"),
        [_site_row(each) for each in sites],
        value=sites,
        nothing=nothing,
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


site.add_command(self_test)


def _known_kind(_context: click.Context, _parameter: click.Parameter, kind: str | None) -> str | None:
    if kind is not None and kind not in events.ALL:
        near = difflib.get_close_matches(kind, events.ALL, n=3) or sorted(events.ALL)
        raise click.BadParameter(f"there is no kind {kind!r} of event; is it {', '.join(near)}?")
    return kind


@click.group()
def event() -> None:
    """What gateways and the controller noticed."""


@event.command(name="list")
@click.option("--site", help="Only of this site.")
@click.option("--device", help="Only about this device.")
@click.option("--kind", callback=_known_kind, help="Only of this kind, as in docs/events.md.")
@click.option("--after", default=0, help="Only after this number.")
@click.option("--last", type=click.IntRange(min=1), help="Only so many, the newest.")
@click.option("--follow", is_flag=True, help="Go on as events come; end with Ctrl-C.")
@asking
def list_events(
    terminal: Terminal, controller: Controller, *, after: int, last: int | None, follow: bool, **wanted: Any
) -> None:
    """List events, oldest first."""
    found: deque[Json] = deque(maxlen=last)
    while True:
        page = controller.get("events", Json, after=after, limit=1000, **wanted)
        found += page["items"]
        after = page["next"]
        if len(page["items"]) < 1000:
            break
    nothing = "No event is like that." if any(wanted.values()) else "Nothing happened yet."
    terminal.table(
        ("number", "time (UTC)", "site", "kind", "device", "detail"),
        [_event_row(each) for each in found],
        value=list(found),
        nothing=nothing if not follow else "",
    )
    while follow:
        page = controller.get("events", Json, after=page["next"], wait_seconds=FOLLOW_SECONDS, **wanted)
        for each in page["items"]:
            terminal.say("  ".join(str(cell) for cell in _event_row(each)), value=each)
        if not page["items"]:
            time.sleep(1)  # a controller that answers at once must not be asked without pause


def pages(controller: Controller, path: str, **wanted: Any) -> list[Json]:
    """Return everything of a paged list."""
    return list(walk(controller, path, **wanted))


def walk(controller: Controller, path: str, **wanted: Any) -> Iterator[Json]:
    """Yield everything of a paged list, page by page."""
    after: str | int | None = None  # numbers in some lists, names in others
    while True:
        page = controller.get(path, Json, after=after, limit=1000, **wanted)
        yield from page["items"]
        if not page["next"]:
            return
        after = page["next"]


def _site_row(each: Json) -> tuple[object, ...]:
    gateway = each["gateway"]
    state = "none enrolled" if gateway is None else "connected" if gateway["connected"] else "away"
    counts = each["counts"]
    devices = counts.get("devices", {}).get("", 0)
    agree = counts.get("agrees", {}).get("true", 0)
    age = each["age_seconds"]
    return (
        each["id"],
        each["organisation"],
        state,
        devices,
        f"{agree} of {devices}",
        "never" if age is None else f"{age:.0f} s ago",
        f"{len(each['segments_gone'])} GONE" if each["segments_gone"] else "",
        summary(each["self_test"]),
    )


def _event_row(each: Json) -> tuple[object, ...]:
    detail = ", ".join(f"{name} {value}" for name, value in each["detail"].items())
    return each["number"], when(each["at"]), each["site"], each["kind"], each["device"] or "", detail
