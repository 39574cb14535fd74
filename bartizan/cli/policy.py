"""`bartizan policy`: check and try documents on this machine, then have two people sign them."""

import time
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click
import msgspec

from bartizan.cli import documents, signing
from bartizan.cli import preview as previewing
from bartizan.cli.connection import Controller
from bartizan.cli.documents import Document
from bartizan.cli.options import PATH, asking, key_option, note_option, speaking, yes_option
from bartizan.cli.signing import Proposal
from bartizan.cli.stages import Stages, push_file, staging
from bartizan.cli.terminal import Exit, Failed, Terminal, when
from bartizan.firmware.model import Advisory
from bartizan.policy.cases import Case, Result, parse_case, run
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import Maker, Policy, Rule, Waiver
from bartizan.policy.schema import policy_schema
from bartizan.trust.content import Catalogue, DirectorKeys

CASES = ".cases"
"""`uk-hcws386.yaml` has its cases in the folder `uk-hcws386.cases`."""


class PublishedPolicy(msgspec.Struct, frozen=True):
    """A policy that gateways hold, as the controller tells it."""

    policy: Policy
    waivers: tuple[Waiver, ...]


@click.group()
def policy() -> None:
    """Policies, waivers, sites, makers and advisories as documents.

    \b
    check FILES            is it well written?
    test FILES             do its cases come out as expected?
    explain CASE FILES     why does a situation lead to what it leads to?
    preview FILES|CHANGE   which devices would change, and which way?
    sign FILES --key K     propose it, with your signature
    sign --change C --key  review and sign what another proposed
    publish CHANGE         push it to every gateway
    """  # noqa: D301 - \b is click's word for "do not rewrap"


@policy.command()
@click.argument("paths", nargs=-1, type=PATH, required=True)
@speaking
def check(terminal: Terminal, paths: tuple[Path, ...]) -> None:
    """Read documents and tell every fault, with file, line and column.

    PATHS are YAML files, or folders of them.
    """
    read = _read_all(paths)
    terminal.table(
        ("document", "holds"),
        [(path, _summary(document)) for path, document in read.items()],
        value=[{"file": str(path), "holds": _summary(document)} for path, document in read.items()],
        nothing="",
    )


@policy.command()
@click.argument("paths", nargs=-1, type=PATH)
@speaking
def test(terminal: Terminal, paths: tuple[Path, ...]) -> None:
    """Run the cases beside policies. Exit code 1 if one comes out otherwise.

    PATHS are policies or folders; without any, the folder `policies`.
    """
    results = [result for path in _policies(paths) for result in _run_cases(path)]
    if not results:
        raise Failed("there are no cases: put them into NAME.cases/*.txt beside NAME.yaml", Exit.USAGE)
    failed = [result for result in results if not result.passed]
    if not terminal.as_json:
        for result in failed:
            click.echo(_told(result))
    terminal.say(
        f"{len(results) - len(failed)} of {len(results)} cases passed",
        value=[
            {"case": r.case.file, "title": r.case.title, "passed": r.passed, "differences": r.differences}
            for r in results
        ],
    )
    if failed:
        raise SystemExit(Exit.REFUSED)


@policy.command()
@click.argument("case", type=PATH)
@click.argument("paths", nargs=-1, type=PATH, required=True)
@speaking
def explain(terminal: Terminal, case: Path, paths: tuple[Path, ...]) -> None:
    """Say what a situation leads to, and what every rule made of it.

    CASE is a case file, of which only the part above the dashes matters; PATHS are policies and data.
    """
    from bartizan.policy.evaluate import Evaluator

    situation = _parse(case).situation
    catalogue = _catalogue(_read_all(paths))
    evaluator = Evaluator(catalogue, situation.site, situation.books)
    explanation = evaluator.explain(situation.device_under(catalogue.advisories), situation.at)
    rows = [
        (
            f"{rule.policy}@{rule.version}",
            rule.rule,
            {True: "matched", False: "no", None: "cannot be told"}[rule.truth],
            "; ".join(f"{each.wanted}, found {each.found}" for each in rule.obstacles),
        )
        for rule in explanation.rules
    ]
    if not terminal.as_json:
        click.echo(explanation.verdict.explanation + "\n")
    terminal.table(("policy", "rule", "matched", "in the way"), rows, value=explanation, nothing="no rules")


@policy.command()
@speaking
def schema(_: Terminal) -> None:
    """Print the JSON Schema of policy documents, for editors."""
    click.echo(policy_schema(), nl=False)


@policy.command()
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--change", default="", help="Sign a change that waits, instead of proposing one.")
@key_option
@note_option
@yes_option
@staging
@asking
def sign(  # noqa: PLR0913 - one for each option
    terminal: Terminal,
    controller: Controller,
    paths: tuple[Path, ...],
    *,
    change: str,
    key_file: Path,
    note: str,
    yes: bool,
    stages: Stages,
) -> None:
    """Propose the documents in PATHS with your signature, or sign what another proposed (`--change`).

    Two different people must sign; who proposed a change cannot be its only approver. With --canary it goes out in
    stages, which they sign with it: follow them with `bartizan push`.
    """
    if bool(paths) == bool(change):
        raise Failed("give documents to propose, or --change ID to sign what waits", Exit.USAGE)
    if change:
        signing.sign_change(terminal, controller, change, key_file, yes=yes)
        return
    _refuse_failing_cases(paths)
    files = documents.targets(_read_all(paths)) | push_file(controller, stages)
    signing.propose(terminal, controller, Proposal("policy", files=files, note=note), key_file)


@policy.command()
@click.argument("names", metavar="CHANGE|FILES...", nargs=-1, required=True)
@click.option(
    "--limit",
    type=click.IntRange(min=0, max=10_000),
    default=100,
    show_default=True,
    help="List so many of the devices that change. All of them count.",
)
@asking
def preview(terminal: Terminal, controller: Controller, names: tuple[str, ...], *, limit: int) -> None:
    """Say what a change would do to the devices that there are. Nothing is proposed or signed.

    CHANGE|FILES is a change that waits (`bartizan policy changes`), or documents that nobody has proposed. Judged by
    what gateways reported last, as they would judge it: which devices tighten or loosen, which recorders would lose a
    stream, which sites cannot enforce it, and which agents are too old.
    """
    if previewing.is_change(names):
        found = previewing.of_change(controller, names[0], limit=limit)
    else:
        files = documents.targets(_read_all(tuple(map(Path, names))))
        found = previewing.of_documents(controller, files, limit=limit)
    previewing.show(terminal, found)


@policy.command()
@click.argument("change")
@click.option("--with", "others", multiple=True, help="Another change to publish in the same moment. Repeat.")
@asking
def publish(terminal: Terminal, controller: Controller, change: str, others: tuple[str, ...]) -> None:
    """Publish CHANGE, once it is approved: one message to the whole estate, in force as its signers said."""
    signing.publish(terminal, controller, change, others)


@policy.command(name="list")
@asking
def list_policies(terminal: Terminal, controller: Controller) -> None:
    """List the published policies."""
    published = controller.get("policies", list[PublishedPolicy])
    now = time.time()
    terminal.table(
        ("policy", "title", "rules", "waivers in force", "source"),
        [
            (
                f"{each.policy.id}@{each.policy.version}",
                each.policy.title,
                len(each.policy.rules),
                sum(waiver.starts_at <= now < waiver.expires_at for waiver in each.waivers) or "",
                each.policy.source,
            )
            for each in published
        ],
        value=published,
        nothing="No policy is published. Propose one with: bartizan policy sign FILE --key KEY",
    )


@policy.command()
@click.argument("name")
@asking
def show(terminal: Terminal, controller: Controller, name: str) -> None:
    """Show the published policy NAME: its rules, and the waivers that name it."""
    each = controller.get(f"policies/{name}", PublishedPolicy)
    terminal.fields(
        [
            ("policy", f"{each.policy.id}@{each.policy.version}"),
            ("title", each.policy.title),
            ("source", each.policy.source),
            *((f"rule {rule.name}", f"{_demand(rule)}: {rule.because}") for rule in each.policy.rules),
            *(
                (
                    f"waiver {waiver.id}",
                    f"{waiver.level.value} until {when(waiver.expires_at)}, {waiver.owner}: {waiver.reason}",
                )
                for waiver in each.waivers
            ),
        ],
        value=each,
    )


@policy.command(name="changes")
@asking
def list_changes(terminal: Terminal, controller: Controller) -> None:
    """List changes that wait for signatures or for publication."""
    waiting = controller.get("catalogue/changes", list[dict[str, Any]])
    terminal.table(
        ("change", "signed by", "waits for"),
        [
            (each["id"], ", ".join(each["approval"]["holders"]), each["approval"]["reason"] or "publication")
            for each in waiting
        ],
        value=waiting,
        nothing="Nothing waits. Propose a change with: bartizan policy sign FILE --key KEY",
    )


@policy.command()
@click.argument("change")
@asking
def withdraw(terminal: Terminal, controller: Controller, change: str) -> None:
    """Forget CHANGE, which waits. What is published stays."""
    controller.delete(f"catalogue/changes/{change}", type(None))
    terminal.say(f"{change} is withdrawn", value={"withdrawn": change})


def _demand(rule: Rule) -> str:
    duties = (
        rule.contain.value if rule.contain else "",
        "firmware" if rule.firmware else "",
        "harden" if rule.harden else "",
    )
    return ", ".join(filter(None, duties))


def _read_all(paths: tuple[Path, ...]) -> dict[Path, Document]:
    """Read makers first: conditions are checked against them. All faults of all documents are told at once."""
    files = sorted(documents.expand(paths), key=lambda path: "makers" not in path.name)
    read: dict[Path, Document] = {}
    makers: tuple[Maker, ...] = ()
    faults: list[str] = []
    for path in files:
        try:
            read[path] = document = documents.read(path, makers)
        except PolicyError as error:
            faults.append(str(error))
            continue
        makers += tuple(documents.entries(document, Maker))
    if faults:
        raise Failed("not accepted:\n" + "\n".join(faults))
    return read


def _summary(document: Document) -> str:
    if isinstance(document, Policy):
        return f"policy {document.id}@{document.version}, {len(document.rules)} rules"
    if not document:
        return "nothing"
    return f"{len(document)} {type(document[0]).__name__.lower()} entries"


def _policies(paths: tuple[Path, ...]) -> list[Path]:
    files = documents.expand(paths or (Path("policies"),))
    return [path for path in files if path.with_suffix(CASES).is_dir()]


def _run_cases(path: Path) -> list[Result]:
    """Run a policy's cases under that policy alone, with the makers and advisories of its folder."""
    data = [each for each in sorted(path.parent.rglob("*.yaml")) if each == path or not _is_policy(each)]
    catalogue = _catalogue(_read_all(tuple(data)))
    cases = sorted(path.with_suffix(CASES).glob("*.txt"))
    return [run(_parse(case), catalogue) for case in cases]


def _is_policy(path: Path) -> bool:
    return documents.read_text(path).lstrip().startswith("policy:") or path.with_suffix(CASES).is_dir()


def _parse(path: Path) -> Case:
    return parse_case(documents.read_text(path), str(path))


def _catalogue(read: dict[Path, Document]) -> Catalogue:
    return Catalogue(
        versions={},
        expires_at=0.0,
        director=DirectorKeys({}),
        policies=tuple(document for document in read.values() if isinstance(document, Policy)),
        makers=tuple(entry for document in read.values() for entry in documents.entries(document, Maker)),
        advisories=tuple(entry for document in read.values() for entry in documents.entries(document, Advisory)),
    )


def _refuse_failing_cases(paths: tuple[Path, ...]) -> None:
    failed = [result for path in _policies(paths) for result in _run_cases(path) if not result.passed]
    if failed:
        told = "\n".join(_told(result) for result in failed)
        raise Failed(f"{told}\nnot proposed: {len(failed)} cases come out otherwise")


def _told(result: Result) -> str:
    lines = [f"{result.case.file}: {result.case.title}"]
    for difference in result.differences:
        lines.append(f"  {difference.what}")
        for name, text in (("expected", difference.expected), ("got", difference.got)):
            lines += [f"    {label:9} {line}" for label, line in zip_longest((name,), text.split("\n"), fillvalue="")]
    return "\n".join(lines)
