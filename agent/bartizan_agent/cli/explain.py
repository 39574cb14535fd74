"""`bartizan-agent explain DEVICE`: why a device is held as it is, from what this gateway itself holds."""

import argparse
import time
from collections.abc import Sequence

import msgspec

from bartizan.firmware.match import Finding, Standing, by_urgency, findings, sentence
from bartizan.firmware.model import Advisory
from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.policy.explain import Explanation, RuleTrace
from bartizan.trust.content import Catalogue
from bartizan_agent.cli import DONE, Ended, Subparsers, json_option, say
from bartizan_agent.cli.shortfalls import shortfalls
from bartizan_agent.switches.outcome import Seen


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "explain",
        help="say why a device is held as it is",
        description=(
            "Judges one device by the catalogue and orders held here, and says what every rule made of it, and how it "
            "stands to every advisory about its maker."
        ),
    )
    parser.add_argument("device", metavar="DEVICE", help="id (or a part of it), MAC or address")
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    from bartizan.policy.evaluate import Evaluator
    from bartizan_agent.local import by_any_name, find
    from bartizan_agent.places import Places

    local = find(Places(arguments.state), arguments.config)
    devices = {device.id: device for device in local.devices}
    meant = by_any_name(devices, arguments.device)
    if len(meant) != 1:
        names = ", ".join(device.id for device in meant)
        which = (
            f"{len(meant)} devices match: {names}" if meant else "no device of this site has this id, MAC or address"
        )
        raise Ended(which)
    last_good = local.last_good
    explanation = Evaluator(last_good.catalogue, last_good.facts, last_good.books).explain(meant[0], time.time())
    enforced = local.kernel.levels.get(meant[0].id)
    found = by_urgency(findings(meant[0].identity, _advisories(last_good.catalogue)))
    on_switch = _on_switch(local.switches, meant[0].id, time.time())
    held = f"{enforced.value if enforced else 'not held by the kernel'}{on_switch and f'; {on_switch}'}"
    explained = msgspec.structs.asdict(explanation)
    say(
        arguments,
        "\n".join(lines(meant[0], explanation, found, held)),
        {"device": meant[0], "enforced": enforced, "switch": on_switch, "findings": found, **explained},
    )
    return DONE


def lines(device: Device, explanation: Explanation, found: Sequence[Finding], enforced: str) -> list[str]:
    """Return the explanation for people."""
    identity, verdict = device.identity, explanation.verdict
    return [
        f"{device.id}  {' '.join(device.addresses)}  {' '.join(device.macs)}  on {device.interface}",
        f"wanted: {verdict.level.value}",
        f"enforced: {enforced}",
        f"{verdict.explanation}",
        "",
        f"who it is: {identity.maker or 'maker unknown'} {identity.model} {identity.firmware}".rstrip(),
        *(f"  {reason}" for reason in identity.reasons),
        *_vulnerabilities(found),
        *shortfalls(device, verdict),
        "rules:" if explanation.rules else "no rules: no catalogue was accepted yet, or it holds no policy",
        *(line for rule in explanation.rules for line in _rule(rule)),
    ]


def _advisories(catalogue: Catalogue) -> tuple[Advisory, ...]:
    """Return what this gateway judges by: the catalogue, or, before there is one, what came with this program."""
    if catalogue.versions:
        return catalogue.advisories
    from bartizan_agent.knowledge import packaged

    return packaged().advisories


def _on_switch(seen: Seen | None, device: DeviceId, now: float) -> str:
    """Return what managed switches said of a device, and how long ago; nothing where none has to do with it."""
    if seen is None:
        return ""
    where, shortfall = seen.enforced.held().get(device), seen.enforced.shortfalls().get(device)
    said = f"enforced by {where}" if where else f"by no switch ({shortfall})" if shortfall else ""
    return said and f"{said}, read back {max(0.0, now - seen.at):.0f} s ago"


def _vulnerabilities(found: Sequence[Finding]) -> list[str]:
    concerning = [finding for finding in found if finding.standing is not Standing.NOT_AFFECTED]
    count = f"{len(found)} advisories about its maker, {len(concerning)} concern it"
    said = [f"  {finding.advisory} {sentence(finding)}" for finding in concerning]
    return [f"vulnerabilities: {count if found else 'no advisory is about its maker'}", *said]


def _rule(rule: RuleTrace) -> list[str]:
    truth = {True: "matches", False: "does not match", None: "cannot be told"}[rule.truth]
    return [
        f"  {rule.policy}@{rule.version}/{rule.rule}: {truth}",
        *(f"    {obstacle.wanted}, but it is {obstacle.found}" for obstacle in rule.obstacles),
    ]
