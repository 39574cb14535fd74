"""The `bartizan-lab` command: emulated cameras, alone or as whole sites. Needs the right to make network namespaces."""

import asyncio
import signal

import click

from bartizan.ids import SiteId, mac
from bartizan_lab import __version__
from bartizan_lab.cameras.command import camera
from bartizan_lab.cameras.registry import BLUEPRINTS, KINDS
from bartizan_lab.netns import may_make
from bartizan_lab.site import plan
from bartizan_lab.site.live import LiveEstate, live
from bartizan_lab.site.plan import CameraPlan, SitePlan

MOST = 240
"""Devices on one segment: its addresses are .10 to .249."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bartizan-lab")
def main() -> None:
    """Emulated cameras and sites, for trying Bartizan without any."""


@main.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only these kinds. Repeat.")
@click.option(
    "--cameras", default=len(KINDS), type=click.IntRange(1, MOST), show_default=True, help="How many devices."
)
def site(kinds: tuple[str, ...], cameras: int) -> None:
    """Build a site in network namespaces and let it live until Ctrl-C: gateway, cameras, recorder, core, internet.

    This machine's own interfaces are not touched, and everything is removed at the end, whatever happens.
    """
    if not may_make():
        raise click.ClickException("this needs root, or a user namespace: deploy/privileged bartizan-lab site")
    asyncio.run(_until_told(_plan(kinds or KINDS, cameras)))


main.add_command(camera)


def _plan(kinds: tuple[str, ...], cameras: int) -> SitePlan:
    return SitePlan(
        SiteId("lab"),
        1,
        tuple(
            CameraPlan(
                f"{kind}-{number}", kind, number, mac(f"{BLUEPRINTS[kind].oui}:01:{number >> 8:02x}:{number & 255:02x}")
            )
            for number in range(cameras)
            for kind in [kinds[number % len(kinds)]]
        ),
    )


async def _until_told(site_plan: SitePlan) -> None:
    stop = asyncio.Event()
    for told in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(told, stop.set)
    async with live((site_plan,)) as estate:
        click.echo(_where(estate, site_plan))
        await stop.wait()


def _where(estate: LiveEstate, site_plan: SitePlan) -> str:
    gateway = estate.network.sites[0].gateway
    inside = " ".join(gateway.command())
    devices = "\n".join(f"  {site_plan.camera(each.number):15} {each.mac}  {each.kind}" for each in site_plan.cameras)
    return (
        f"{len(site_plan.cameras)} devices on {plan.CAMERA_INTERFACE}, {site_plan.camera_network}:\n{devices}\n\n"
        f"On the gateway:\n  {inside} bartizan-agent scan --interface {plan.CAMERA_INTERFACE}\n\nCtrl-C ends it."
    )
