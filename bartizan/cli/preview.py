"""What a change would do to the devices that there are: in one line before signing, or in full."""

import re
from pathlib import Path

import click

from bartizan.cli.connection import Controller
from bartizan.cli.terminal import Failed, Terminal
from bartizan.policy.preview import DeviceChange, Preview, Tally
from bartizan.trust.tufdata import POLICY

HINDERED_SHOWN = 50


def of_change(controller: Controller, change: str, *, limit: int | None = None) -> Preview:
    """Return what a waiting change would do; every device counts, `limit` of those that change are listed."""
    return controller.get(f"catalogue/changes/{change}/preview", Preview, limit=limit)


def of_documents(controller: Controller, files: dict[str, bytes], *, limit: int) -> Preview:
    """Return what documents would do that nobody has proposed."""
    return controller.post(f"catalogue/preview?limit={limit}", Preview, {"files": files})


def is_change(names: tuple[str, ...]) -> bool:
    """Return whether what somebody typed is the name of a change, rather than files."""
    return len(names) == 1 and _CHANGE.match(names[0]) is not None and not Path(names[0]).exists()


def tell_in_a_line(terminal: Terminal, controller: Controller, change: str) -> None:
    """Say on standard error what a change of policy would do; scripts that read JSON are not kept waiting for it.

    That it cannot be had is said, and keeps nobody from signing.
    """
    if terminal.as_json or not change.startswith(f"{POLICY}-"):
        return
    try:
        said = of_change(controller, change, limit=0).summary()
    except Failed as failure:
        said = f"cannot be had: {failure.message}"
    click.echo(f"preview: {said}", err=True)


def show(terminal: Terminal, preview: Preview) -> None:
    """Show all of a preview, or print it as JSON."""
    if terminal.as_json:
        terminal.json(preview)
        return
    terminal.say(preview.summary(), value=preview)
    for move, count in preview.moves.items():
        click.echo(f"  {move}: {count}")
    if preview.duties_change:
        click.echo(f"  other firmware or hardening duties: {preview.duties_change}")
    if preview.devices:
        _show_devices(terminal, preview)
    _show_streams(terminal, preview)
    _show_hindered(terminal, preview)
    click.echo("")
    for remark in preview.remarks:
        click.echo(f"note: {remark}")


def _show_devices(terminal: Terminal, preview: Preview) -> None:
    click.echo("")
    rows = [
        *(_tally_row("organisation", name, tally) for name, tally in preview.organisations.items() if tally.changing),
        *(_tally_row("site", name, tally) for name, tally in preview.sites.items()),
    ]
    terminal.table(("", "name", "tighten", "loosen", "of"), rows, value=None, nothing="")
    click.echo("")
    headings = ("site", "device", "before", "after", "held at", "because")
    terminal.table(headings, map(_device_row, preview.devices), value=None, nothing="")
    if preview.devices_left_out:
        click.echo(f"and {preview.devices_left_out} more; --limit lists more of them")


def _show_streams(terminal: Terminal, preview: Preview) -> None:
    rows = [(each.site, each.recorder, each.camera, each.because) for each in preview.lost_streams]
    if rows:
        click.echo("")
        terminal.table(("site", "recorder", "would lose", "because"), rows, value=None, nothing="")
    if preview.streams_left_out:
        click.echo(f"and {preview.streams_left_out} more streams; --limit lists more of them")
    if preview.unknown_recordings:
        sites = ", ".join(f"{each.site} ({each.devices})" for each in preview.unknown_recordings)
        click.echo(
            "\nThese sites declare no recorder, and nobody knows who records the devices that come to be isolated: "
            f"{sites}. Whatever records them loses them."
        )


def _show_hindered(terminal: Terminal, preview: Preview) -> None:
    rows = [(each.site, each.why.value, each.detail) for each in preview.hindered]
    if rows:
        click.echo("")
        terminal.table(("site", "cannot enforce", "detail"), rows[:HINDERED_SHOWN], value=None, nothing="")
    if len(rows) > HINDERED_SHOWN:
        click.echo(f"and {len(rows) - HINDERED_SHOWN} more; --json has all")


def _tally_row(kind: str, name: str, tally: Tally) -> tuple[object, ...]:
    return kind, name, tally.tighten or "", tally.loosen or "", tally.devices


def _device_row(change: DeviceChange) -> tuple[object, ...]:
    held = change.enforced.value if change.enforced else "nothing"
    return change.site, change.device, change.before.value, change.after.value, held, change.because


_CHANGE = re.compile(r"\A(root|targets|policy|firmware)-[0-9]+-[0-9a-f]+\Z")
