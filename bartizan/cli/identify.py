"""`bartizan identify`: who a device is, from what was seen of it and saved."""

from pathlib import Path

import click
import msgspec

from bartizan.cli.documents import read_text
from bartizan.cli.options import PATH, speaking
from bartizan.cli.shipped import shipped_data
from bartizan.cli.terminal import Exit, Failed, Terminal
from bartizan.identity.directory import Directory
from bartizan.identity.explain import Explanation, explain
from bartizan.identity.model import Evidence, Observation
from bartizan.identity.source import read_fingerprints
from bartizan.ids import Address, Mac
from bartizan.policy.source import read_makers


class Saved(msgspec.Struct, frozen=True):
    """One device of a saved scan, or one observation: as much of it as identities rest on."""

    evidence: tuple[Evidence, ...]
    interface: str = ""
    addresses: tuple[Address, ...] = ()
    macs: tuple[Mac, ...] = ()
    mac: Mac | None = None
    open_ports: tuple[int, ...] = ()

    def observation(self) -> Observation:
        """Return it as an observation."""
        mac = self.mac or next(iter(self.macs), None)
        return Observation(self.interface, self.addresses, mac, self.open_ports, self.evidence)


class SavedScan(msgspec.Struct, frozen=True):
    """What `bartizan-agent scan --json` prints."""

    devices: tuple[Saved, ...]


@click.command()
@click.argument("file", type=PATH)
@click.option("--explain", "explained", is_flag=True, help="Show every statement, its weight and conflicts.")
@click.option("--data", type=PATH, help="A folder with makers.yaml and fingerprints.yaml, instead of those shipped.")
@speaking
def identify(terminal: Terminal, file: Path, *, explained: bool, data: Path | None) -> None:
    """Say who the devices of a saved observation are, and what that rests on.

    FILE is what `bartizan-agent scan --json` printed, or one device of it. Needs no controller.
    """
    directory = _directory(data or shipped_data())
    found = [(saved, explain(saved.observation(), directory)) for saved in _read(file)]
    if terminal.as_json:
        whole = [(saved, explanation if explained else explanation.identity) for saved, explanation in found]
        terminal.json([{"addresses": saved.addresses, "verdict": verdict} for saved, verdict in whole])
        return
    for number, (saved, explanation) in enumerate(found):
        if number:
            click.echo()
        _tell(terminal, saved, explanation)
        if explained:
            _tell_why(terminal, explanation)


def _tell(terminal: Terminal, saved: Saved, explanation: Explanation) -> None:
    identity = explanation.identity
    terminal.fields(
        [
            ("device", " ".join(filter(None, [*saved.addresses, saved.observation().mac]))),
            ("maker", f"{identity.maker or 'unknown'}, confidence {identity.confidence}"),
            ("kind", identity.kind.value),
            *((name, value) for name, value in _told(explanation) if value),
        ],
        value=identity,
    )


def _told(explanation: Explanation) -> list[tuple[str, str]]:
    identity = explanation.identity
    return [
        ("brand", identity.brand),
        ("lineage", identity.lineage),
        ("model", identity.model),
        ("firmware", identity.firmware),
        ("built", identity.build_date),
        ("hardware", identity.hardware),
        ("platform", identity.platform),
        ("serial", identity.serial),
    ]


def _tell_why(terminal: Terminal, explanation: Explanation) -> None:
    terminal.table(
        ("about", "statement", "source", "read from", "weight", "counts as"),
        [
            (line.about, line.value, line.source, line.read_from, line.weight, line.counts.value)
            for line in explanation.lines
        ],
        value=explanation.lines,
        nothing="Nothing was seen that says who it is.",
    )
    for note in explanation.notes:
        click.echo(f"note: {note}")


def _directory(folder: Path | None) -> Directory:
    if folder is None:
        raise Failed("no makers are installed here: name their folder with --data", Exit.USAGE)
    makers = read_makers(read_text(folder / "makers.yaml"), "makers.yaml")
    return Directory(makers, read_fingerprints(read_text(folder / "fingerprints.yaml"), "fingerprints.yaml", makers))


def _read(file: Path) -> tuple[Saved, ...]:
    """Return the devices in a file.

    Raises:
        Failed: It is no saved scan or observation.
    """
    text = read_text(file)
    try:
        if '"devices"' in text:
            return msgspec.json.decode(text, type=SavedScan).devices
        return (msgspec.json.decode(text, type=Saved),)
    except (msgspec.MsgspecError, RecursionError) as error:
        advice = "save one with  bartizan-agent scan --interface NAME --json > FILE"
        raise Failed(f"{file} is no saved scan: {advice}", Exit.USAGE) from error
