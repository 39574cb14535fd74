"""`bartizan-lab camera`: one emulated device on this machine's loopback, or in the namespace it is started in."""

import asyncio
import contextlib
import signal
from typing import Any

import click

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.registry import KINDS, make
from bartizan_lab.cameras.state import CloudAddress, Setting, Timings
from bartizan_lab.network import HostNetwork


class _CloudParameter(click.ParamType[CloudAddress]):
    name = "address:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> CloudAddress:
        if isinstance(value, CloudAddress):
            return value
        address, _, port = str(value).rpartition(":")
        if not address or not port.isdecimal():
            self.fail(f"{value!r} is not an address and a port, such as 198.51.100.7:443", param, ctx)
        return CloudAddress(address.strip("[]"), int(port))


@click.command("camera")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--address", default="127.0.0.2", show_default=True, help="IPv4 address to serve on.")
@click.option("--address6", default=None, help="IPv6 address to serve on as well.")
@click.option("--interface", default="lo", show_default=True, help="Interface that has the address.")
@click.option("--number", default=1, show_default=True, help="Makes serial number and MAC differ from others'.")
@click.option("--model", default=None, help="Model name.")
@click.option("--firmware", default=None, help="Version, as the maker writes it.")
@click.option("--build", default=None, help="ISO 8601 date of the firmware's build.")
@click.option("--serial", default=None, help="Serial number.")
@click.option("--mac", default=None, help="MAC address it names.")
@click.option("--password", default=None, help="Password of its one user.")
@click.option("--factory-state/--set-up", default=False, help="Without a password yet.")
@click.option(
    "--fault", "faults", multiple=True, type=click.Choice([fault.value for fault in Fault]), help="Repeatable."
)
@click.option("--cloud", multiple=True, type=_CloudParameter(), help="Where it phones home to; repeatable.")
@click.option("--https/--no-https", default=False, help="Answer on port 443 too.")
@click.option("--reboot-seconds", default=Timings().reboot_seconds, show_default=True, help="How long it is down.")
@click.option(
    "--flash-seconds", default=Timings().flash_seconds, show_default=True, help="How long it writes an image."
)
def camera(kind: str, *, address: str, address6: str | None, interface: str, **options: Any) -> None:
    """Serve one emulated device of this KIND until interrupted."""
    timings = Timings(reboot_seconds=options.pop("reboot_seconds"), flash_seconds=options.pop("flash_seconds"))
    setting = Setting(timings, cloud=options.pop("cloud"), https=options.pop("https"))
    faults = {Fault(name) for name in options.pop("faults")}
    facts = {name: value for name, value in options.items() if value is not None}
    device = make(kind, setting=setting, faults=faults, **facts)
    network = HostNetwork(address, interface, address6=address6)
    click.echo(f"{kind} {device.state.model} {device.state.firmware}, serial {device.state.serial}, on {address}")
    reason: BaseException | None = None
    try:
        asyncio.run(_until_told(device, network))
    except* OSError as failures:
        reason = _first(failures)
    if reason is not None:
        raise click.ClickException(f"{reason}: give it an address of {interface} that nobody serves") from reason


async def _until_told(device: Camera, network: HostNetwork) -> None:
    """Run until SIGINT or SIGTERM."""
    life = asyncio.current_task()
    assert life is not None, "a coroutine runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, life.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await device.run(network)


def _first(failures: BaseException) -> BaseException:
    """Return the first single failure inside groups of groups."""
    return _first(failures.exceptions[0]) if isinstance(failures, BaseExceptionGroup) else failures
