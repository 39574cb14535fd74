"""`bartizan device hardening`: what is to be mended, device by device, with the evidence and the way to mend it."""

from typing import Any

import click
import msgspec

from bartizan.cli.connection import Controller
from bartizan.cli.devices import NO_DEVICES, find
from bartizan.cli.inventory import pages
from bartizan.cli.options import asking
from bartizan.cli.terminal import Terminal
from bartizan.hardening.model import Finding, Hardening, Standing
from bartizan.hardening.rules import findings
from bartizan.policy.model import HardeningDuty

Json = dict[str, Any]


NOTHING_FAILS = "Nothing that was read fails. See what could not be read with --unknown."


@click.command()
@click.argument("name", required=False)
@click.option("--site", help="Only at this site.")
@click.option("--check", type=click.Choice([duty.value for duty in HardeningDuty]), help="Only this check.")
@click.option("--unknown", is_flag=True, help="What could not be read as well, not only what failed.")
@asking
def hardening(
    terminal: Terminal, controller: Controller, name: str | None, *, site: str | None, check: str | None, unknown: bool
) -> None:
    """List shortfalls of hardening, with evidence and how to mend them.

    NAME is one device's id, serial number, MAC or address; without it all devices are listed.
    """
    shown = {Standing.FAILED, Standing.UNKNOWN} if unknown else {Standing.FAILED}
    states = [find(controller, name, site)] if name else pages(controller, "devices", site=site)
    found = [
        (state, finding)
        for state in states
        for finding in _checked(state)
        if finding.standing in shown and check in {None, finding.check}
    ]
    terminal.table(
        ("site", "device", "check", "standing", "severity", "policy", "evidence", "to mend it"),
        [_row(state, finding) for state, finding in found],
        value=[_value(state, finding) for state, finding in found],
        nothing=NOTHING_FAILS if states else NO_DEVICES,
    )


def _checked(state: Json) -> tuple[Finding, ...]:
    """Return the findings of a camera or recorder. Other things are not checked, so nothing is unknown of them."""
    of_it = state["device"]
    is_checked = of_it["identity"]["kind"] != "other"
    return findings(msgspec.convert(of_it.get("hardening", {}), Hardening)) if is_checked else ()


def _row(state: Json, finding: Finding) -> tuple[object, ...]:
    return (
        state["site"],
        state["device"]["id"],
        finding.check,
        finding.standing.value,
        finding.severity.value,
        "demands it" if _is_demanded(state, finding) else "",
        finding.evidence,
        finding.mend if finding.standing is Standing.FAILED else "",
    )


def _value(state: Json, finding: Finding) -> Json:
    place = {"site": state["site"], "device": state["device"]["id"], "demanded": _is_demanded(state, finding)}
    return place | msgspec.structs.asdict(finding)


def _is_demanded(state: Json, finding: Finding) -> bool:
    return finding.check in (state["posture"] or {}).get("harden", {})
