"""`bartizan-agent record DEVICE`: write down what one device answers its driver, without telling which it is."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan_agent.cli import DONE, Ended, Subparsers, json_option, say

if TYPE_CHECKING:
    from bartizan.identity.model import Device
    from bartizan.trust.credentials import Credential
    from bartizan_agent.drivers.contract import Driver
    from bartizan_agent.places import Places
    from bartizan_agent.recordings.model import Of, Recording


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "record",
        help="write down what one device answers its driver, for the tests of that driver",
        description=(
            "Reads one device as the agent does, with the credential that the site has for it and under the same login"
            " budget, never while the agent speaks to it, and writes the answers to a file. Serial numbers, MAC and IP"
            " addresses, names, passwords, keys, nonces become stand-ins; of pictures the size alone is kept; nothing"
            " is written if anything of that is left. Look through the file before you hand it on. Changes nothing on"
            " the device."
        ),
    )
    parser.add_argument("device", metavar="DEVICE", help="id (or a part of it), MAC or address")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: here, named by model and firmware)"
    )
    parser.add_argument(
        "--emulator", action="store_true", help="the device is emulated: the recording says so, and proves less"
    )
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record, and return the exit code."""
    from bartizan_agent.assignments import credential_for
    from bartizan_agent.drivers import driver_for
    from bartizan_agent.local import by_any_name, find
    from bartizan_agent.places import Places
    from bartizan_agent.recordings.model import Of, encode

    places = Places(arguments.state)
    local = find(places, arguments.config)
    meant = by_any_name({device.id: device for device in local.devices}, arguments.device)
    if len(meant) != 1:
        names = ", ".join(device.id for device in meant) or "no device of this site"
        raise Ended(f"{arguments.device!r} is the name of {names}: give one id, MAC or address")
    (device,) = meant
    driver = driver_for(device.identity)
    credential = credential_for(device, local.last_good.credentials)
    if driver is None:
        raise Ended(f"no driver speaks to {device.identity.maker or 'a device of unknown maker'}")
    if credential is None or not device.addresses:
        raise Ended(f"{device.id} has no {'address' if credential else 'credential'} here")
    of = Of.EMULATOR if arguments.emulator else Of.DEVICE
    recording = _recorded(places, driver, device, credential, of)
    path = arguments.out or Path(recording.file_name)
    path.write_text(encode(recording), encoding="utf-8")
    model, firmware = recording.state.model, recording.state.firmware
    say(
        arguments,
        f"Wrote {path}: {len(recording.exchanges)} answers of {model} {firmware}.\n"
        f"Look through it; it belongs into tests/recordings/{recording.driver}/.",
        {
            "file": str(path.absolute()),
            "driver": recording.driver,
            "model": model,
            "firmware": firmware,
            "answers": len(recording.exchanges),
        },
    )
    return DONE


def _recorded(places: "Places", driver: "Driver", device: "Device", credential: "Credential", of: "Of") -> "Recording":
    """Record under the budget of the agent, whose store this shares with it, in turn with the agent."""
    import asyncio
    import time
    from contextlib import ExitStack, closing

    from bartizan_agent import camera_certificates, login_budget
    from bartizan_agent.camera_http import CameraHttp
    from bartizan_agent.login_budget import LoginBudget
    from bartizan_agent.recordings.capture import record
    from bartizan_agent.store import open_store
    from bartizan_agent.turns import Turns

    with ExitStack() as resources:
        store = open_store(places.store, (login_budget.SCHEMA, camera_certificates.SCHEMA))
        connection = resources.enter_context(closing(store))
        turns = resources.enter_context(closing(Turns(places.turns)))
        http = CameraHttp(LoginBudget(connection, time.time), connection, turns=turns)
        return asyncio.run(record(http, driver, device, credential, of))
