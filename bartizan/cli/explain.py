"""`bartizan explain DEVICE`: why a device is held as it is, since when, who signed that, and what would release it."""

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from bartizan.cli.connection import Controller
from bartizan.cli.devices import find
from bartizan.cli.options import asking
from bartizan.cli.terminal import Terminal, when
from bartizan.policy.explain import Explanation, RuleTrace
from bartizan.policy.release import NOTHING, Hold, WaiverStanding
from bartizan.trust.approval import Approval
from bartizan.trust.orders import Raise
from bartizan.wire.up import DevicePosture


class _Since(msgspec.Struct):
    at: float
    because: str
    at_least: bool


class _Signed(msgspec.Struct):
    version: int
    approval: Approval
    expires_at: float


class _Given(msgspec.Struct):
    order: Raise
    given_by: str
    given_at: float


class Explained(msgspec.Struct):
    """A device's explanation, as far as people read it."""

    site: str
    device: str
    posture: DevicePosture | None
    since: _Since | None
    explanation: Explanation
    waivers: tuple[WaiverStanding, ...]
    orders: tuple[_Given, ...]
    signed: _Signed
    hold: Hold


@click.command()
@click.argument("device")
@click.option("--site", help="Where it is, if it is known at several sites.")
@click.option("--all", "every", is_flag=True, help="Show the rules that are far from matching, too.")
@asking
def explain(terminal: Terminal, controller: Controller, device: str, *, site: str | None, every: bool) -> None:
    """Say why a device is held as it is: rules, waivers, orders, who signed, since when, and what would release it.

    DEVICE is its id, serial number, MAC or address. It is judged here by what is published; its gateway judges by what
    it has accepted, and what it measured stands beside it.
    """
    at = find(controller, device, site)
    document: dict[str, Any] = controller.get(
        f"sites/{at['site']}/devices/{at['device']['id']}/explanation", dict[str, Any]
    )
    if terminal.as_json:
        terminal.json(document)
        return
    explained = msgspec.convert(document, Explained)
    terminal.fields(_fields(explained), value=document)
    click.echo("")
    shown = [rule for rule in explained.explanation.rules if every or _is_close(rule)]
    rows = [(f"{rule.policy}@{rule.version}", rule.rule, _matches(rule), _obstacles(rule)) for rule in shown]
    terminal.table(("policy", "rule", "matches", "in the way"), rows, value=None, nothing="No rule matches, or nearly.")
    left_out = len(explained.explanation.rules) - len(shown)
    if left_out:
        click.echo(f"{left_out} rules are far from matching; --all shows them")


def _fields(explained: Explained) -> Iterator[tuple[str, object]]:
    posture, hold = explained.posture, explained.hold
    approval = explained.signed.approval
    enforced = posture.enforced.value if posture and posture.enforced else "nothing"
    yield "device", f"{explained.device} at {explained.site}"
    yield "demanded", explained.explanation.verdict.explanation
    yield "held at", f"{enforced}{_since(explained.since)}"
    if enforced != hold.level.value:
        yield "", f"not as demanded, {hold.level.value}: has its gateway heard? (bartizan site list)"
    if posture and posture.switch:
        yield "on its switch", f"enforced by {posture.switch}"
    if posture and posture.not_enforceable_because:
        yield "not in full", posture.not_enforceable_because
    yield "by policy alone", hold.by_policy.value
    yield "orders", "\n".join(map(_order, explained.orders)) or "none"
    yield "waivers", "\n".join(map(_waiver, explained.waivers)) or "none"
    yield (
        "signed by",
        f"{_signers(approval)}; policy {explained.signed.version}, until {when(explained.signed.expires_at)}",
    )
    yield "to release it", "\n".join(_release(hold))
    yield "by itself", "\n".join(f"{each.level.value} from {when(each.at)}" for each in hold.later) or "stays as it is"


def _release(hold: Hold) -> Iterator[str]:
    if hold.needed == (NOTHING,):
        yield NOTHING
        return
    # Joined by "and": one of several alone changes nothing.
    yield "\nand ".join(hold.needed)
    yield f"that leaves {hold.then.value}"
    yield from (f"or {step.what}: that leaves {step.then.value}" for step in hold.instead)


def _since(since: _Since | None) -> str:
    if since is None:
        return ""
    moment = f"{when(since.at)} or longer" if since.at_least else when(since.at)
    return f" since {moment}" + (f": {since.because}" if since.because else "")


def _order(given: _Given) -> str:
    order = given.order
    return f"{order.id} to {order.level.value}, by {given.given_by} at {when(given.given_at)}: {order.reason}"


def _waiver(each: WaiverStanding) -> str:
    waiver = each.waiver
    period = f"{when(waiver.starts_at)} to {when(waiver.expires_at)}"
    policies = ", ".join(waiver.policies)
    return (
        f"{waiver.id} ({each.standing.value}): {policies} at most {waiver.level.value}, {period}, "
        f"{waiver.owner}: {waiver.reason}"
    )


def _signers(approval: Approval) -> str:
    pairs = zip(approval.holders, approval.signed_by, strict=True)
    return ", ".join(f"{holder} ({key[:16]})" for holder, key in pairs)


def _is_close(rule: RuleTrace) -> bool:
    return rule.truth is not False or rule.is_near


def _matches(rule: RuleTrace) -> str:
    if rule.truth is None:
        return "cannot be told"
    return "yes" if rule.truth else "nearly" if rule.is_near else "no"


def _obstacles(rule: RuleTrace) -> str:
    return "; ".join(f"{each.wanted}, found {each.found}" for each in rule.obstacles)
