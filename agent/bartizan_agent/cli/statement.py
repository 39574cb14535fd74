"""`bartizan-agent statement`: what this gateway can prove of one device and one time, signed with its key."""

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan_agent.cli import DONE, Ended, Subparsers, json_option, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from bartizan.identity.model import Device
    from bartizan_agent.local import Local
    from bartizan_agent.places import Places

LOOK_SECONDS = 5.0

_AGO = re.compile(r"\A([0-9]{1,4})([hd])\Z")
_SECONDS = {"h": 3600.0, "d": 86_400.0}


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "statement",
        help="state, signed, how a device was held from when to when, and what it was kept from",
        description=(
            "Says for each part of a time whether it is proven how the kernel held the device, and why not. The file is"
            " verified anywhere, without a gateway or a controller: bartizan statement verify FILE --ca ca.pem"
        ),
        epilog="Exit codes: 0 written, whatever it says; 1 failed; 2 called wrongly; 3 not enrolled.",
    )
    parser.add_argument("device", help="its id, MAC or address")
    parser.add_argument(
        "--from", dest="since", default="7d", metavar="AGO|TIME", help="12h, 7d, 2026-03-01, a time; default: 7d"
    )
    parser.add_argument("--to", dest="until", metavar="AGO|TIME", help="default: when the kernel was last looked at")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there; default: standard output")
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make a statement."""
    import sqlite3
    from contextlib import closing

    from bartizan_agent import statement
    from bartizan_agent.local import find
    from bartizan_agent.places import Places

    places = Places(arguments.state)
    local = find(places, arguments.config)
    device = _device(local, arguments.device)
    now = time.time() + local.clock_behind_seconds
    path = places.store.absolute().as_uri()
    with closing(sqlite3.connect(f"{path}?mode=ro", uri=True, timeout=5.0)) as connection:
        _have_it_look(places, lambda: statement.last_look(connection) >= now)
        now = max(now, statement.last_look(connection))
        until = statement.last_look(connection) if arguments.until is None else _moment(arguments.until, now)
        asked = statement.Asked(device, _moment(arguments.since, now), until)
        try:
            envelope = statement.make(connection, local.keys, local.settings.site, asked, now)
        except sqlite3.Error as error:
            raise Ended(f"{places.store}: {error}: was this version of the agent started yet?") from error
    if arguments.out is None:
        print(envelope.decode())
    else:
        arguments.out.write_bytes(envelope + b"\n")
        verify = f"bartizan statement verify {arguments.out} --ca {local.keys.ca_file}"
        said = f"written to {arguments.out}; verify it with: {verify}"
        say(arguments, said, {"written": str(arguments.out), "verify": verify})
    return DONE


def _have_it_look(places: "Places", has_looked: "Callable[[], bool]") -> None:
    """Have the agent, if it runs, look at the kernel and write down what it finds."""
    from bartizan_agent import release

    if release.wake(places):
        ends_at = time.monotonic() + LOOK_SECONDS
        while not has_looked() and time.monotonic() < ends_at:
            time.sleep(0.05)


def _device(local: "Local", name: str) -> "Device":
    from bartizan_agent.local import by_any_name

    found = by_any_name({device.id: device for device in local.devices}, name)
    if len(found) != 1:
        known = ", ".join(device.id for device in found)
        raise Ended(f"{name!r} may be {known}: give its whole id" if found else f"no device here is called {name!r}")
    return found[0]


def _moment(text: str, now: float) -> float:
    from bartizan.policy.fields import moment

    ago = _AGO.match(text)
    try:
        return now - int(ago[1]) * _SECONDS[ago[2]] if ago else moment(text)
    except ValueError as error:
        raise Ended(f"{text!r} is no time: {error}", 2) from error
