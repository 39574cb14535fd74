"""`bartizan advisory import`: documents that others publish, made into drafts of advisories or compared with them."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from bartizan.cli import documents
from bartizan.cli.options import PATH, speaking
from bartizan.cli.terminal import Exit, Failed, Terminal
from bartizan.firmware.feeds.csaf import read_csaf
from bartizan.firmware.feeds.cve5 import read_cve
from bartizan.firmware.feeds.document import OCTET_LIMIT
from bartizan.firmware.feeds.drafts import Reading
from bartizan.firmware.feeds.kev import KevChange, changes, read_kev, without_advisory
from bartizan.firmware.feeds.products import Vendors
from bartizan.firmware.feeds.yaml_text import render, with_kev_dates
from bartizan.firmware.source import read_advisories
from bartizan.policy.model import Maker
from bartizan.policy.source import read_makers

MAKERS_FILE = Path("policies/makers.yaml")
ADVISORIES_FOLDER = Path("policies/advisories")
HEADING = """Drafted by `bartizan advisory import` from {document}; nobody has reviewed it.

Compare with the document, say under `kinds` what the models are, strike from `unread` what you have read, raise the
grade to V where you are sure, and move the entry into a file of its maker."""

makers_option = click.option(
    "--makers", "makers_file", type=PATH, default=MAKERS_FILE, show_default=True, help="Who the makers are."
)


@click.group(name="import")
def import_() -> None:
    """Read what CISA, vendors and the CVE programme publish. You fetch the files; nothing is fetched here."""


def _drafting(name: str, read: Callable[[bytes, Vendors], Reading], help_text: str) -> None:
    """Attach the command that makes drafts from one kind of document."""

    @import_.command(name=name, help=help_text)
    @click.argument("files", nargs=-1, type=PATH, required=True)
    @click.option("--out", "folder", type=PATH, help="Write a YAML file for each document here; none is overwritten.")
    @click.option("--maker", default="", help="Whose products all of them are, where a document does not say it.")
    @makers_option
    @speaking
    def command(
        terminal: Terminal, files: tuple[Path, ...], *, folder: Path | None, maker: str, makers_file: Path
    ) -> None:
        vendors = Vendors(load_makers(makers_file, maker), only=maker)
        readings = [(file, read(_octets(file), vendors)) for file in files]
        written = {file: _write(folder, reading) for file, reading in readings} if folder else {}
        _tell(terminal, readings, written)
        if not all(reading.advisories for _, reading in readings):
            raise SystemExit(Exit.REFUSED)


_drafting("csaf", read_csaf, "Make drafts from CSAF 2.0 documents (FILES), as CISA and vendors publish them.")
_drafting("cve", read_cve, "Make drafts from CVE records (FILES, CVE JSON 5), as the CVE programme publishes them.")


@import_.command()
@click.argument("file", type=PATH)
@click.option(
    "--advisories", "paths", type=PATH, multiple=True, default=(ADVISORIES_FOLDER,), show_default=True,
    help="Files or folders of advisories to compare it with. Repeat.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Change the files; without it, what would change is only shown.")
@makers_option
@speaking
def kev(terminal: Terminal, file: Path, *, paths: tuple[Path, ...], write: bool, makers_file: Path) -> None:
    """Take over from CISA's KEV catalogue since when flaws are known to be exploited, and when they are due.

    FILE is the catalogue as JSON. A flaw that it does not name stays as it is.
    """
    catalogue = read_kev(_octets(file))
    if not catalogue.entries:
        raise Failed(f"{file}: {'; '.join(catalogue.problems) or 'it has no entries'}")
    makers = load_makers(makers_file)
    texts = {path: documents.read_text(path) for path in documents.expand(paths)}
    kept = {path: read_advisories(text, str(path), makers) for path, text in texts.items()}
    wanted = {path: changes(advisories, catalogue) for path, advisories in kept.items()}
    after = {path: _with_dates(path, texts[path], wanted[path], makers) for path in texts}
    if write:
        for path, text in after.items():
            if text != texts[path]:
                path.write_text(text, encoding="utf-8")
    everything = [each for advisories in kept.values() for each in advisories]
    missing = without_advisory(everything, catalogue, Vendors(makers))
    changed = [change for each in wanted.values() for change in each]
    done = "changed" if write else "would change: give --write"
    lines = [
        *("".join(_difference(path, texts[path], after[path])) for path in texts if texts[path] != after[path]),
        f"KEV {catalogue.version} of {catalogue.released}: {len(catalogue.entries)} entries, {len(changed)} {done}",
        *(f"not understood: {problem}" for problem in catalogue.problems),
        *(f"no advisory here: {each.cve} {each.vendor} {each.product}, due {each.due}" for each in missing),
    ]
    value = {
        "version": catalogue.version,
        "released": catalogue.released,
        "changes": changed,
        "written": write,
        "without_advisory": missing,
        "problems": catalogue.problems,
    }
    terminal.say("\n".join(lines), value=value)


def load_makers(path: Path, only: str = "") -> tuple[Maker, ...]:
    """Return the makers in a file.

    Raises:
        Failed: It cannot be read, or `only` is none of them.
        PolicyError: With every fault in it.
    """
    makers = read_makers(documents.read_text(path), str(path))
    if only and only not in {maker.id for maker in makers}:
        raise Failed(f"{path} has no maker {only!r}", Exit.USAGE)
    return makers


def _octets(path: Path) -> bytes:
    try:
        if path.stat().st_size > OCTET_LIMIT:
            raise Failed(f"{path} has more than {OCTET_LIMIT} octets: no feed is as large", Exit.USAGE)
        return path.read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error


def _write(folder: Path, reading: Reading) -> Path | None:
    """Write a document's drafts; nothing if there are none."""
    if not reading.advisories:
        return None
    path = folder / f"{_file_name(reading.document)}.yaml"
    text = _draft(reading)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Failed(f"{path} exists: remove it, or give another folder with --out") from error
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from error
    return path


def _file_name(document: str) -> str:
    return "".join(character if character.isalnum() or character == "-" else "-" for character in document.lower())


def _draft(reading: Reading) -> str:
    text = render(reading.advisories, HEADING.format(document=reading.document))
    read_advisories(text, reading.document)  # what is written can be read again, or is refused here
    return text


def _tell(terminal: Terminal, readings: Sequence[tuple[Path, Reading]], written: dict[Path, Path | None]) -> None:
    if not terminal.as_json:
        for file, reading in readings:
            for problem in reading.problems:
                click.echo(f"{file}: {problem}", err=True)
            if reading.advisories and not written:
                click.echo(_draft(reading))
    terminal.table(
        ("file", "advisory", "maker", "rules", "to be read by a person", "written to"),
        [
            (file, each.id, each.maker, len(each.rules), len(each.unread), written.get(file) or "")
            for file, reading in readings
            for each in reading.advisories
        ],
        value=[
            {
                "file": str(file),
                "document": reading.document,
                "advisories": reading.advisories,
                "problems": reading.problems,
                "written": str(written[file]) if written.get(file) else None,
            }
            for file, reading in readings
        ],
        nothing="no draft came of it",
    )


def _with_dates(path: Path, text: str, wanted: Iterable[KevChange], makers: tuple[Maker, ...]) -> str:
    for change in wanted:
        text = with_kev_dates(text, change)
    read_advisories(text, str(path), makers)  # an edit that made it unreadable is never written
    return text


def _difference(path: Path, before: str, after: str) -> Iterable[str]:
    return difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), str(path), str(path))
