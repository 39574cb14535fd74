"""What an emulated managed switch is set to, and the bridges that do as it says.

Every VLAN is a Linux bridge, `vlan1` and so on, and a port is plugged into the bridge of its PVID: into that alone, for
frames carry no tags here. It is replugged only once PVID and memberships agree: whoever sets the PVID and leaves the
port an untagged member of its former VLAN has moved nothing. On a real switch it still receives that VLAN's frames.
"""

import json
import re
import subprocess
from pathlib import Path

import msgspec

DEFAULT_VLAN = 1
PORT_NAMES = re.compile(r"\A(?:p\d+|uplink|iso\d*)\Z")
"""Which interfaces of the namespace are ports; any other is the switch's own."""


class Vlan(msgspec.Struct):
    """One row of the static VLAN table. Members by port number."""

    egress: set[int] = set()
    untagged: set[int] = set()


class Neighbour(msgspec.Struct, frozen=True):
    """Who says by LLDP that it is on a port."""

    port: int
    chassis: str
    """Its MAC, as `02:00:00:00:00:99`."""
    capabilities: int = 0x2000
    """Those enabled, as 16 bits with the first one leftmost; 0x2000 is a bridge."""


class SwitchState(msgspec.Struct):
    """Everything that outlives the SNMP agent: kept in a file, because a real switch keeps it too."""

    ports: dict[str, int] = {}
    """Bridge port number of each interface; never the interface's own index."""
    pvid: dict[int, int] = {}
    vlans: dict[int, Vlan] = {}
    neighbours: list[Neighbour] = []
    quirks: dict[str, str] = {}
    """How this one differs from the book; see `tree` and `pass_persist`."""


def load(file: Path) -> SwitchState:
    """Return what the switch is set to, with every port that was plugged in since at its factory setting."""
    state = msgspec.json.decode(file.read_bytes(), type=SwitchState) if file.exists() else SwitchState()
    default = state.vlans.setdefault(DEFAULT_VLAN, Vlan())
    for link in json.loads(_run("ip", "-json", "link", "show")):
        name = link["ifname"]
        if PORT_NAMES.match(name) and name not in state.ports:
            number = max(state.ports.values(), default=0) + 1
            state.ports[name] = number
            state.pvid[number] = DEFAULT_VLAN
            default.egress.add(number)
            default.untagged.add(number)
    return state


def save(file: Path, state: SwitchState) -> None:
    """Keep it, whole or not at all."""
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(state))
    new.replace(file)


def arrange(state: SwitchState) -> None:
    """Make the bridges be as the switch is set."""
    present = {link["ifname"]: link.get("master") for link in json.loads(_run("ip", "-json", "link", "show"))}
    wanted = {bridge_of(vlan) for vlan in state.vlans}
    lines = [
        line
        for name in sorted(wanted - present.keys())
        for line in (f"link add {name} type bridge forward_delay 0 mcast_snooping 0", f"link set {name} up")
    ]
    for name, number in state.ports.items():
        bridge = bridge_of(state.pvid[number])
        if name in present and is_settled(state, number) and present[name] != bridge:
            lines.append(f"link set {name} master {bridge}")
    stale = {name for name in present if re.fullmatch(r"vlan\d+", name)} - wanted
    lines += [f"link delete {name}" for name in sorted(stale)]
    if lines:
        _run("ip", "-batch", "-", text="\n".join(lines) + "\n")


def is_settled(state: SwitchState, port: int) -> bool:
    """Return whether PVID and memberships of a port agree."""
    vlan = state.pvid[port]
    own = state.vlans.get(vlan, Vlan())
    others = (each.untagged for number, each in state.vlans.items() if number != vlan)
    return port in own.egress and port in own.untagged and not any(port in untagged for untagged in others)


def learned(state: SwitchState) -> list[tuple[int, str, int]]:
    """Return VLAN, MAC and port number of every address that the bridges have learned."""
    found = []
    for entry in json.loads(_run("bridge", "-json", "fdb", "show")):
        vlan = re.fullmatch(r"vlan(\d+)", entry.get("master", ""))
        if vlan and entry.get("state") != "permanent" and entry["ifname"] in state.ports:
            found.append((int(vlan[1]), entry["mac"], state.ports[entry["ifname"]]))
    return sorted(set(found))


def interface_indexes() -> dict[str, int]:
    """Return the index of each interface."""
    return {link["ifname"]: link["ifindex"] for link in json.loads(_run("ip", "-json", "link", "show"))}


def bridge_of(vlan: int) -> str:
    """Return the bridge that is a VLAN."""
    return f"vlan{vlan}"


def _run(*arguments: str, text: str = "") -> str:
    return subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=10, check=True).stdout
