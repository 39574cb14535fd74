"""`bartizan-agent explain DEVICE`: why a device is held as it is, from what this gateway itself holds."""

import argparse
import sys
import time

import msgspec

from bartizan.identity.model import Device
from bartizan.policy.explain import Explanation, RuleTrace
from bartizan_agent.cli import DONE, FAILED, Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "explain",
        help="say why a device is held as it is",
        description="Judges one device by the catalogue and orders held here, and says what every rule made of it.",
    )
    parser.add_argument("device", metavar="DEVICE", help="id (or a part of it), MAC or address")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
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
        print(f"bartizan-agent: {which}", file=sys.stderr)
        return FAILED
    last_good = local.last_good
    explanation = Evaluator(last_good.catalogue, last_good.facts, last_good.books).explain(meant[0], time.time())
    enforced = local.kernel.levels.get(meant[0].id)
    if arguments.json:
        document = {"device": meant[0], "enforced": enforced, **msgspec.structs.asdict(explanation)}
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        print("\n".join(lines(meant[0], explanation, enforced.value if enforced else "not held by the kernel")))
    return DONE


def lines(device: Device, explanation: Explanation, enforced: str) -> list[str]:
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
        *(f"  open to {advisory}" for advisory in device.vulnerabilities),
        "rules:" if explanation.rules else "no rules: no catalogue was accepted yet, or it holds no policy",
        *(line for rule in explanation.rules for line in _rule(rule)),
    ]


def _rule(rule: RuleTrace) -> list[str]:
    truth = {True: "matches", False: "does not match", None: "cannot be told"}[rule.truth]
    return [
        f"  {rule.policy}@{rule.version}/{rule.rule}: {truth}",
        *(f"    {obstacle.wanted}, but it is {obstacle.found}" for obstacle in rule.obstacles),
    ]
