"""`bartizan-agent scan`: look at networks once and say what is there. Needs no controller, no enrolment, no root."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

import msgspec

from bartizan.firmware.match import by_urgency, findings, sentence
from bartizan.ids import DeviceId
from bartizan_agent.cli import DONE, USAGE, Ended, Subparsers, say
from bartizan_agent.discovery.channels import left_out
from bartizan_agent.discovery.errors import CannotScan
from bartizan_agent.discovery.interfaces import Interface, named, scannable
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.sweep import Target, target
from bartizan_agent.inventory import Known, merge
from bartizan_agent.knowledge import Knowledge, packaged

_HEADINGS = ("ADDRESS", "MAC", "KIND", "MAKER", "BRAND", "MODEL", "FIRMWARE", "SURE", "OPEN TO")
_SHOWN_ADVISORIES = 3


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "scan",
        help="find cameras on the given interfaces, once, and print them",
        description=(
            "Looks at the links of the given interfaces once: asks the discovery protocols of cameras, wakes the "
            "addresses of the interfaces' own networks, and reads the banners of what answers. Never logs in."
        ),
    )
    parser.add_argument(
        "--interface",
        "-i",
        action="append",
        default=[],
        metavar="NAME",
        help="where to look; may be repeated (default: the interfaces that the given networks are on)",
    )
    parser.add_argument(
        "--network",
        action="append",
        default=[],
        type=_network,
        metavar="CIDR",
        help="try only the addresses of this network; may be repeated (default: all networks of the interfaces)",
    )
    parser.add_argument("--no-sweep", action="store_true", help="only ask by multicast and listen; connect to nothing")
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="end after this (default: 30)"
    )
    parser.add_argument("--explain", action="store_true", help="say what every verdict rests on")
    parser.add_argument("--json", action="store_true", help="print one JSON document, evidence included")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan and print. Returns 0 whatever was found; ends with 1 if nothing could be scanned, with 2 for usage."""
    arguments.interface = list(dict.fromkeys(arguments.interface)) or _on(arguments.network)
    limits = Limits(total_seconds=arguments.timeout)
    targets, refusals = _targets(arguments, limits)
    if not targets:
        raise Ended("\n".join(refusals))
    for reason in (*refusals, *left_out()):
        _tell(reason)
    began = time.monotonic()
    try:
        observations = asyncio.run(scan(targets, limits, _tell))
    except OSError as error:
        raise Ended(f"cannot scan: {error.strerror}") from error
    knowledge = packaged()
    found = merge(
        {}, observations, directory=knowledge.directory, advisories=knowledge.advisories, at=time.time()
    ).devices
    _tell(f"{len(found)} devices in {time.monotonic() - began:.1f} s")
    table = as_table(found.values(), knowledge if arguments.explain else None)
    say(arguments, table, as_document(found.values()))
    return DONE


def as_document(found: Iterable[Known]) -> dict[str, object]:
    """Return devices, what was said of them and which ports were open, for programs."""
    devices = [
        {**msgspec.to_builtins(entry.device), "evidence": entry.evidence, "open_ports": entry.open_ports}
        for entry in _sorted(found)
    ]
    return {"devices": devices}


def as_table(found: Iterable[Known], explained_by: Knowledge | None = None) -> str:
    """Return devices as a table for people, each followed by its reasons if there is something to explain it by."""
    entries = _sorted(found)
    rows = [_HEADINGS, *(_row(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if explained_by is None:
        return "\n".join(lines)
    explained = [lines[0]]
    for entry, line in zip(entries, lines[1:], strict=True):
        explained.extend([line, *(f"    {reason}" for reason in _reasons(entry, explained_by))])
    return "\n".join(explained)


def _targets(arguments: argparse.Namespace, limits: Limits) -> tuple[list[Target], list[str]]:
    targets, refusals = [], []
    for name in arguments.interface:
        try:
            targets.append(_target(named(name), arguments, limits))
        except CannotScan as error:
            refusals.append(str(error))
    return targets, refusals


def _target(interface: Interface, arguments: argparse.Namespace, limits: Limits) -> Target:
    if arguments.no_sweep:
        return Target(interface)
    if not arguments.network:
        return target(interface, None, limits)
    on_link = [x for x in arguments.network if len(arguments.interface) == 1 or _is_on_link(x, interface)]
    return target(interface, on_link, limits)


def _is_on_link(network: IPv4Network, interface: Interface) -> bool:
    return any(network.subnet_of(own) for own in interface.networks)


def _on(networks: list[IPv4Network]) -> list[str]:
    """Return the interfaces on whose links these networks are.

    Scanning is done only where it was asked for: a gateway has links to networks that are none of our business.

    Raises:
        Ended: There are none, or one of them is on no link.
    """
    found = scannable()
    strange = [network for network in networks if not any(_is_on_link(network, interface) for interface in found)]
    if strange:
        raise Ended(f"no interface is on {', '.join(map(str, strange))}\n{_choose()}", USAGE)
    if not networks:
        raise Ended(_choose(), USAGE)
    return [each.name for each in found if any(_is_on_link(network, each) for network in networks)]


def _choose() -> str:
    lines = [
        f"  --interface {found.name}\t{', '.join(str(network) for network in found.networks) or 'no IPv4 network'}"
        for found in scannable()
    ]
    return "\n".join(["Choose where to look:", *(lines or ["  (no interface is up)"])]).expandtabs(32)


def _row(entry: Known) -> tuple[str, ...]:
    device, identity = entry.device, entry.device.identity
    advisories = list(device.vulnerabilities[:_SHOWN_ADVISORIES])
    if len(device.vulnerabilities) > _SHOWN_ADVISORIES:
        advisories.append(f"and {len(device.vulnerabilities) - _SHOWN_ADVISORIES} more")
    return (
        device.addresses[0] if device.addresses else "-",
        device.macs[0] if device.macs else "-",
        identity.kind.value,
        identity.maker or "unknown",
        identity.brand or "-",
        identity.model or "-",
        identity.firmware or "-",
        f"{identity.confidence}%" if identity.maker else "-",
        ", ".join(advisories) or "-",
    )


def _reasons(entry: Known, knowledge: Knowledge) -> list[str]:
    device = entry.device
    told = {*device.vulnerabilities, *device.undecided}
    return [
        *device.identity.reasons,
        *(
            f"{found.advisory} {sentence(found)}"
            for found in by_urgency(findings(device.identity, knowledge.advisories))
            if found.advisory in told
        ),
        *(f"problem: {problem}" for problem in device.problems),
    ]


def _sorted(found: Iterable[Known]) -> Sequence[Known]:
    def by_address(entry: Known) -> tuple[str, bool, tuple[int, ...], DeviceId]:
        first = entry.device.addresses[0] if entry.device.addresses else ""
        octets = tuple(int(part) for part in first.split(".")) if first and ":" not in first else ()
        return entry.device.interface, not octets, octets, entry.device.id

    return sorted(found, key=by_address)


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text, strict=False)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no IPv4 network like 10.9.0.0/24") from error


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1.0 <= value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time between 1 and 3600 seconds")
    return value


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
