"""`bartizan posture`: where a kernel holds something else than the controller expects."""

import click

from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json
from bartizan.cli.options import asking
from bartizan.cli.terminal import Exit, Terminal, when


@click.group()
def posture() -> None:
    """What gateways read back from their kernels, compared with what is expected of them."""


@posture.command(name="list")
@asking
def list_differing(terminal: Terminal, controller: Controller) -> None:
    """List sites that hold something else than expected, and how. Exit code 1 if there is any.

    The controller judges each reported device itself, by the published policy and the orders that stand, and looks at a
    report once it has stood for 15 seconds. What a gateway says that it wants, or has acknowledged, counts for nothing.
    """
    found = controller.get("posture/differences", list[Json])
    terminal.table(
        ("site", "since (UTC)", "differs"),
        [(each["site"], when(each["since"]), "; ".join(each["differences"])) for each in found],
        value=found,
        nothing="Every site that has reported holds what is expected.",
    )
    if found:
        raise SystemExit(Exit.REFUSED)
