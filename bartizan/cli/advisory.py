"""`bartizan advisory`: what is known to be vulnerable, read from feeds, checked, and held against one device."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from bartizan.cli import documents
from bartizan.cli.advisory_import import import_, load_makers, makers_option
from bartizan.cli.connection import Controller, load_profile
from bartizan.cli.options import PATH, asking, speaking
from bartizan.cli.terminal import Exit, Failed, Terminal
from bartizan.firmware.match import Finding, by_urgency, describe, findings
from bartizan.firmware.model import Advisory, AffectedRule
from bartizan.firmware.source import read_advisories
from bartizan.identity.model import Identity, Kind
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import Maker


@click.group()
def advisory() -> None:
    """Published vulnerabilities, and what they mean for a device. Nothing is ever tried on a device.

    \b
    import csaf FILES --out DIR   make drafts from what others publish
    import kev FILE --write       take over since when flaws are exploited
    check PATHS                   is it well written, and all of it reviewed?
    list, show                    what the catalogue or a folder holds
    match --maker … --model …     hold it all against one device
    exposure                      how many devices of the estate are open to what
    """  # noqa: D301 - \b is click's word for "do not rewrap"


@advisory.command(name="list")
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--maker", default="", help="Only about this maker.")
@click.option("--exploited", is_flag=True, help="Only those in the KEV catalogue.")
@speaking
def list_advisories(terminal: Terminal, paths: tuple[Path, ...], *, maker: str, exploited: bool) -> None:
    """List the advisories in PATHS; without any, those of the published catalogue."""
    found = [
        each
        for each in _advisories(paths)
        if maker in {"", each.maker} and (each.known_exploited_since or not exploited)
    ]
    terminal.table(
        ("advisory", "maker", "score", "exploited", "due", "grade", "rules", "unread", "title"),
        [
            (
                each.id,
                each.maker,
                each.cvss,
                each.known_exploited_since,
                each.due,
                each.grade.value,
                len(each.rules),
                len(each.unread) or "",
                each.title,
            )
            for each in found
        ],
        value=found,
        nothing="There are none. Import some with: bartizan advisory import csaf FILES --out DIR",
    )


@advisory.command()
@click.argument("name")
@click.argument("paths", nargs=-1, type=PATH)
@speaking
def show(terminal: Terminal, name: str, paths: tuple[Path, ...]) -> None:
    """Show an advisory with all its rules, and what each rests on.

    NAME is its CVE number; PATHS are files or folders of advisories, without any the published catalogue.
    """
    found = [each for each in _advisories(paths) if each.id.casefold() == name.casefold()]
    if not found:
        raise Failed(f"there is no advisory {name!r}: see `bartizan advisory list`")
    if terminal.as_json:
        terminal.json(found)
        return
    for each in found:
        terminal.fields(_fields(each), value=None)


@advisory.command()
@click.argument("paths", nargs=-1, type=PATH, required=True)
@makers_option
@speaking
def check(terminal: Terminal, paths: tuple[Path, ...], *, makers_file: Path) -> None:
    """Tell every fault of advisories, and what of imports nobody has read. Exit code 1 if there is any.

    PATHS are files or folders.
    """
    found = _read(paths, load_makers(makers_file))
    waiting = [f"{each.id} ({each.maker}): {item}" for each in found for item in each.unread]
    terminal.say(
        "\n".join([*waiting, f"{len(found)} advisories, {len(waiting)} things that a person must read"]),
        value={"advisories": len(found), "unread": waiting},
    )
    if waiting:
        raise SystemExit(Exit.REFUSED)


@advisory.command()
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--maker", required=True, help="Who built it, as in makers.yaml.")
@click.option("--model", default="", help="Its model, as it says.")
@click.option("--firmware", default="", help="Its firmware version, as it says.")
@click.option("--build-date", default="", help="The build date of its firmware, where the version does not have it.")
@click.option("--platform", default="", help="Its firmware family: G5, an updateSerial, a chip.")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in Kind]), default=Kind.UNKNOWN.value, help="What it is."
)
@click.option("--badge", default="", help="The brand on it, if that is not its maker's.")
@click.option("--all", "show_all", is_flag=True, help="Also those that do not concern it.")
@speaking
def match(terminal: Terminal, paths: tuple[Path, ...], *, badge: str, kind: str, show_all: bool, **facts: Any) -> None:
    """Say how a device stands to every advisory, by which rule, and why.

    PATHS are files or folders of advisories; without any, the published catalogue counts.
    """
    lineage = f"badge {badge}; {facts['maker']} by your word" if badge else ""
    identity = Identity(brand=badge, kind=Kind(kind), lineage=lineage, **facts)
    found = by_urgency(findings(identity, _advisories(paths)))
    shown = [each for each in found if show_all or each.standing.value != "not-affected"]
    terminal.table(
        ("advisory", "verdict", "exploited", "due", "score", "because", "rule", "grade"),
        [_row(each) for each in shown],
        value=found,
        nothing=f"No advisory concerns it: {len(found)} are about its maker.",
    )


@advisory.command()
@click.option("--exploited", is_flag=True, help="Only those that are known to be exploited (CISA's KEV catalogue).")
@click.option("--due-before", help="Only those due before this day, as in 2026-03-26.")
@click.option("--all", "show_all", is_flag=True, help="Also those that no device is open to.")
@asking
def exposure(
    terminal: Terminal, controller: Controller, *, exploited: bool, due_before: str | None, show_all: bool
) -> None:
    """Say how many devices of the estate are open to each advisory, the most urgent first."""
    wanted = {
        "exploited": True if exploited else None,
        "due_before": due_before,
        "open_to": None if show_all else True,
    }
    found = controller.get("advisories", list[dict[str, Any]], **wanted)
    names = ("devices", "advisory", "maker", "known_exploited_since", "due", "cvss", "grade", "title")
    terminal.table(
        ("devices", "advisory", "maker", "exploited", "due", "score", "grade", "title"),
        [[each[name] for name in names] for each in found],
        value=found,
        nothing="No device is known to be open to one. Undecided ones: bartizan device show DEVICE",
    )


def _row(finding: Finding) -> Sequence[object]:
    return (
        finding.advisory,
        f"{finding.standing.value}{' (inferred)' if finding.inferred else ''}",
        finding.known_exploited_since,
        finding.due,
        finding.cvss,
        finding.because,
        finding.rule,
        finding.grade.value,
    )


def _fields(each: Advisory) -> list[tuple[str, object]]:
    made = each.imported
    exploited = f"since {each.known_exploited_since}, due {each.due or 'at no date'}"
    return [
        ("advisory", f"{each.id} about {each.maker}"),
        ("title", each.title),
        ("score", "" if each.cvss is None else each.cvss),
        ("exploited", exploited if each.known_exploited_since else "not in the KEV catalogue"),
        ("rests on", f"{each.source} (grade {each.grade.value})"),
        (
            "imported",
            f"{made.feed} {made.document}, version {made.version} of {made.date}" if made else "no: written by hand",
        ),
        ("unread", "\n".join(each.unread) or "nothing"),
        *(("rule", _rule(rule)) for rule in each.rules),
    ]


def _rule(rule: AffectedRule) -> str:
    kinds = f" [{', '.join(kind.value for kind in rule.kinds)}]" if rule.kinds else ""
    rests_on = " ".join(part for part in (rule.source, f"(grade {rule.grade.value})" if rule.grade else "") if part)
    return f"{describe(rule)}{kinds}" + (f"\n  {rests_on}" if rests_on else "")


def _advisories(paths: tuple[Path, ...]) -> Sequence[Advisory]:
    if paths:
        return _read(paths, ())
    return Controller(load_profile()).get("catalogue", _Published).content.advisories


class _Content(msgspec.Struct):
    advisories: tuple[Advisory, ...]


class _Published(msgspec.Struct):
    content: _Content


def _read(paths: Iterable[Path], makers: tuple[Maker, ...]) -> list[Advisory]:
    found: list[Advisory] = []
    faults: list[str] = []
    for path in documents.expand(paths):
        text = documents.read_text(path)
        if "advisories:" not in text:
            continue
        try:
            found += read_advisories(text, str(path), makers)
        except PolicyError as error:
            faults.append(str(error))
    if faults:
        raise Failed("not accepted:\n" + "\n".join(faults))
    return found


advisory.add_command(import_)
