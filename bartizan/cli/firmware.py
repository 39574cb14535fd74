"""`bartizan firmware`: images that two people have vetted, and nothing else, reach a camera."""

import hashlib
from pathlib import Path
from typing import Any

import click
import msgspec

from bartizan.cli import signing
from bartizan.cli.connection import Controller
from bartizan.cli.options import PATH, asking, key_option, note_option, yes_option
from bartizan.cli.signing import Proposal
from bartizan.cli.terminal import Exit, Failed, Terminal
from bartizan.firmware.containers import HEAD_LENGTH, TAIL_LENGTH, objections
from bartizan.firmware.model import Image
from bartizan.ids import image_id


@click.group()
def firmware() -> None:
    """Vetted firmware images."""


@firmware.command()
@click.argument("file", type=PATH)
@click.option("--maker", required=True, help="Who makes the devices, as in makers.yaml.")
@click.option("--model", "models", multiple=True, required=True, help="A model it is for; * matches anything. Repeat.")
@click.option("--version", required=True, help="The version it installs, as the device will say it.")
@click.option("--build-date", default="", help="ISO 8601 date of its build, where the maker goes by it.")
@click.option("--platform", "platforms", multiple=True, help="A firmware family it is for. Repeat.")
@click.option("--needs-at-least", default="", help="The version that must be installed before: a stepping stone.")
@click.option("--fixes", multiple=True, help="An advisory that it mends. Repeat.")
@click.option("--source", required=True, help="Where it came from and how its hash was checked, for the auditor.")
@key_option
@note_option
@asking
def add(terminal: Terminal, controller: Controller, file: Path, *, key_file: Path, note: str, **facts: Any) -> None:
    """Upload the image in FILE and propose it, with your signature. Another person approves it."""
    image = _describe(file, facts)
    controller.upload(f"images/{image.id.removeprefix('sha256:')}", file)
    proposal = Proposal("firmware", images=(image,), note=note or f"add {image.file_name}")
    signing.propose(terminal, controller, proposal, key_file)


@firmware.command()
@click.argument("change")
@click.option("--no-publish", is_flag=True, help="Leave publication to somebody else.")
@key_option
@yes_option
@asking
def approve(
    terminal: Terminal, controller: Controller, change: str, *, no_publish: bool, key_file: Path, yes: bool
) -> None:
    """Review and sign CHANGE, which another proposed, and publish it once enough have signed.

    `bartizan policy changes` lists what waits.
    """
    approval = signing.sign_change(terminal, controller, change, key_file, yes=yes)
    if approval.complete and not no_publish:
        signing.publish(terminal, controller, change)


@firmware.command(name="list")
@asking
def list_images(terminal: Terminal, controller: Controller) -> None:
    """List vetted images."""
    images = controller.get("catalogue", _Published).content.images
    terminal.table(
        ("file", "maker", "models", "version", "fixes", "state", "image"),
        [
            (
                image.file_name,
                image.maker,
                " ".join(image.models),
                image.version,
                " ".join(image.fixes),
                "recalled" if image.recalled else "vetted",
                image.id,
            )
            for image in images
        ],
        value=images,
        nothing="No image is vetted. Add one with: bartizan firmware add FILE --maker … --model … --version …",
    )


@firmware.command()
@click.argument("image")
@key_option
@note_option
@asking
def recall(terminal: Terminal, controller: Controller, image: str, *, key_file: Path, note: str) -> None:
    """Propose that IMAGE must not be installed any more; running rollouts of it stop once that is published.

    IMAGE is its id or file name, as in `bartizan firmware list`.
    """
    found = next(
        (i for i in controller.get("catalogue", _Published).content.images if image in (i.id, i.file_name)), None
    )
    if found is None:
        raise Failed(f"no vetted image is called {image!r}: see `bartizan firmware list`")
    recalled = msgspec.structs.replace(found, recalled=True)
    proposal = Proposal("firmware", images=(recalled,), note=note or f"recall {found.file_name}")
    signing.propose(terminal, controller, proposal, key_file)


class _Content(msgspec.Struct):
    images: tuple[Image, ...]


class _Published(msgspec.Struct):
    content: _Content


def _describe(file: Path, facts: dict[str, Any]) -> Image:
    try:
        length = file.stat().st_size
        with file.open("rb") as octets:
            head = octets.read(HEAD_LENGTH)
            octets.seek(max(0, length - TAIL_LENGTH))
            tail = octets.read()
            octets.seek(0)
            digest = hashlib.file_digest(octets, "sha256").hexdigest()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}", Exit.USAGE) from error
    if reasons := objections(facts["maker"], file.name, head, tail=tail):
        raise Failed(f"{file.name} is refused: {'; '.join(reasons)}")
    return Image(
        id=image_id(digest),
        file_name=file.name,
        length=length,
        maker=facts["maker"],
        models=facts["models"],
        version=facts["version"],
        platforms=facts["platforms"],
        build_date=facts["build_date"],
        requires_version_at_least=facts["needs_at_least"],
        fixes=facts["fixes"],
        source=facts["source"],
    )
