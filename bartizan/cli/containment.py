"""`bartizan contain|release|order`: tighten now, and take it back. Policy alone can loosen below what it demands."""

from typing import Any

import click
import msgspec

from bartizan.cli.connection import Controller
from bartizan.cli.devices import find
from bartizan.cli.inventory import Json, pages
from bartizan.cli.options import asking, reason_option
from bartizan.cli.terminal import Exit, Failed, Terminal, when
from bartizan.containment.level import Level
from bartizan.policy.source import read_selector


@click.command()
@click.argument("target", required=False)
@click.option(
    "--level", type=click.Choice([level.value for level in Level][1:]), required=True, help="How far it may reach."
)
@click.option("--selector", help="The same as a TARGET that is a selector.")
@click.option("--organisation", help="Every device of this organisation.")
@click.option("--estate", is_flag=True, help="Every device of the estate.")
@click.option("--site", help="Where the device is, or where the selector counts.")
@reason_option
@asking
def contain(
    terminal: Terminal, controller: Controller, target: str | None, *, selector: str | None, **facts: Any
) -> None:
    """Hold devices at a level or tighter, within seconds.

    TARGET is a site's name, a device's id, serial number, MAC or address, or a selector: devices by their facts, as
    in a policy's `when`, such as 'maker: hikvision'.
    """
    if target and selector is None and _is_selector(target):
        target, selector = None, target
    body = {"level": facts["level"], "reason": facts["reason"]}
    if facts["estate"]:
        body["estate"] = True
    if facts["organisation"]:
        body["organisation"] = facts["organisation"]
    if selector:
        body["selector"] = msgspec.to_builtins(read_selector(selector, "--selector"))
    if facts["site"]:
        body["site"] = facts["site"]
    if target:
        body |= _target(controller, target, facts["site"])
    given = controller.post("orders", Json, body)
    terminal.say(
        f"{given['order']['id']}: ordered; take it back with: bartizan release {given['order']['id']}", value=given
    )


@click.command()
@click.argument("order")
@reason_option
@asking
def release(terminal: Terminal, controller: Controller, order: str, reason: str) -> None:
    """Take ORDER back. Its devices return to what policy demands, never below.

    `bartizan order list` lists what stands.
    """
    controller.delete(f"orders/{order}", type(None), reason=reason)
    terminal.say(f"{order} is released; policy alone counts for its devices", value={"released": order})


@click.group()
def order() -> None:
    """Orders that stand, and those that have ended."""


@order.command(name="list")
@click.option("--site", help="Only of this site.")
@click.option("--ended", is_flag=True, help="Those that have ended.")
@asking
def list_orders(terminal: Terminal, controller: Controller, site: str | None, *, ended: bool) -> None:
    """List orders."""
    orders = pages(controller, "orders", site=site, ended=str(ended).lower())
    terminal.table(
        ("order", "kind", "scope", "wants", "by", "since (UTC)", "because"),
        [_row(each) for each in orders],
        value=orders,
        nothing="No order stands." if not ended else "No order has ended.",
    )


def _is_selector(text: str) -> bool:
    """Whether a text is a mapping of YAML: no name of a site or device has a colon before a space, or braces."""
    return ": " in text or text.startswith("{")


def _target(controller: Controller, target: str, site: str | None) -> Json:
    if site is None and any(each["id"] == target for each in pages(controller, "sites")):
        return {"site": target}
    try:
        found = find(controller, target, site)
    except Failed as failure:
        raise Failed(f"{target!r} is neither a site nor a device; {failure.message}", Exit.USAGE) from failure
    return {"device": found["device"]["id"], "site": found["site"]}


def _row(each: Json) -> tuple[object, ...]:
    given = each["order"]
    wants = given.get("level") or given.get("image", "")
    concerns = given.get("device") or each["site"] or "estate"
    return (
        given["id"],
        given["type"],
        concerns,
        wants,
        each["given_by"],
        when(each["given_at"]),
        each["ended_because"] or given.get("reason", ""),
    )
