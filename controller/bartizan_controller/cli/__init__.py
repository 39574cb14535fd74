"""The command `bartizan-controller`: make a controller, run it, and look after its tokens on its own machine."""

import time
from pathlib import Path

import click
import msgspec

from bartizan.cli.ending import Program
from bartizan.errors import BartizanError
from bartizan.policy.errors import PolicyError
from bartizan_controller import __version__, config
from bartizan_controller.cli import keep, make
from bartizan_controller.cli.broker import broker_files
from bartizan_controller.directory import Folder

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


class _Controller(Program):
    """Tells people of our own errors in a line, not in a traceback."""

    own_errors = (BartizanError, PolicyError, ValueError)

    def failure(self, error: Exception) -> click.ClickException:
        reason = f"{error}: {error.__cause__}" if isinstance(error.__cause__, OSError) else str(error)
        return click.ClickException(reason)


@click.group(cls=_Controller, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bartizan-controller")
def main() -> None:
    """Bartizan's controller: pushes signed policy to gateways, keeps what they report, forwards orders.

    \b
    Begin with:
      bartizan-controller init /var/lib/bartizan-controller --host controller.example.gov.uk
      bartizan-controller serve /var/lib/bartizan-controller
    """  # noqa: D301 - click wants the control character itself


@main.command()
@FOLDER
@click.option("--broker", "broker", metavar="URL", help="Use this broker (mqtts://host:port), start none.")
@click.option("--listen", metavar="ADDR:PORT", help="The API, for people and programs.")
@click.option("--gateway-listen", metavar="ADDR:PORT", help="Images and catalogue, for gateways.")
@click.option("--mqtt-listen", metavar="ADDR:PORT", help="The broker that the controller starts.")
@click.option("--json", "as_json", is_flag=True, help="Log JSON, one object a line.")
@click.option("--verbose", is_flag=True, help="Log more, libraries too.")
def serve(folder: Path, *, broker: str | None, as_json: bool, verbose: bool, **listen: str | None) -> None:
    """Run the controller in FOLDER until SIGTERM.

    What is configured in FOLDER/controller.toml holds where no option says otherwise.
    """
    from bartizan_controller import app, log

    log.configure(as_json=as_json, verbose=verbose)
    where = Folder(folder.absolute())
    where.check()
    settings = config.load(where.config)
    given = {name: value for name, value in listen.items() if value is not None}
    settings = msgspec.structs.replace(settings, **given)
    if broker is not None:
        settings = msgspec.structs.replace(settings, broker=config.ExternalBroker(url=broker))
    config.check(settings)
    app.serve(where, settings, clock=time.time)


main.add_command(make.init)
main.add_command(keep.token)
main.add_command(keep.enrolment_token)
main.add_command(keep.audit)
main.add_command(broker_files)
main.add_command(keep.inventory_)
