"""The page about every command of the four programs, read off their own help."""

import argparse
import inspect
from collections.abc import Iterator
from typing import NamedTuple

import click

from bartizan.cli.root import bartizan
from bartizan_agent.cli import parser as agent_parser
from bartizan_controller.cli import main as bartizan_controller
from bartizan_lab.cli import main as bartizan_lab

INTRODUCTION = """\
# Commands

Made from the programs' own help: `COMMAND --help` says the same. Every command of `bartizan`, `bartizan-controller` and
`bartizan-agent` takes `--json`; then it prints one JSON document on standard output and nothing else there. If it fails or was
called wrongly, that is `{"error": ..., "exit_code": ...}`. The two that run until they are told to stop, `bartizan-controller serve` and
`bartizan-agent run`, answer nothing: what they log can be JSON, one object a line.

* [bartizan](#bartizan), for people: talks to a controller
* [bartizan-controller](#bartizan-controller), on the controller's own machine
* [bartizan-agent](#bartizan-agent), on a gateway
* [bartizan-lab](#bartizan-lab), emulated cameras and sites

## Exit codes

| code | bartizan | bartizan-controller | bartizan-agent | bartizan-lab |
|---|---|---|---|---|
| 0 | done | done | done; for `status`: healthy | done |
| 1 | refused or failed; a case or rollout that did not come out | refused or failed; the audit chain is broken | failed; for `status`: degraded | failed |
| 2 | called wrongly, or a file cannot be used | called wrongly | called wrongly | called wrongly |
| 3 | the controller cannot be reached | - | this gateway is not enrolled | - |
| 4 | not allowed: the token is not valid, or its roles do not include this | - | - | - |
| 5 | `statement verify`: it is genuine, and does not prove the whole time | - | - | - |
| 130 | ended by Ctrl-C, or a question was not answered | - | ended by Ctrl-C | - |

What goes wrong is one line on standard error that says what to do.

## Environment

| variable | program | |
|---|---|---|
| `BARTIZAN_PROFILE` | bartizan | the profile that `login` writes, instead of the one in the user's configuration folder |
| `BARTIZAN_KEY` | bartizan | the signing key, as with `--key` |
| `BARTIZAN_STATE` | bartizan-agent | the folder of its state, as with `--state` |
| `BARTIZAN_CONFIG` | bartizan-agent | its configuration, as with `--config` |
"""
KEPT_LINES = "\b\n"  # how a paragraph of click's help begins that is not to be wrapped


class Parameter(NamedTuple):
    """An argument or option of a command."""

    names: tuple[str, ...]
    """An option's spellings; an argument's one name."""
    typed: str
    """As it is typed, with its value: `--level [isolate|quarantine]`."""
    meaning: str


class Command(NamedTuple):
    """One command."""

    path: str
    """As it is typed: `bartizan device list`."""
    usage: str
    help: str
    parameters: tuple[Parameter, ...]
    is_group: bool
    """Whether it only has commands in it, and does nothing by itself."""


def commands() -> str:
    """Return the page, in Markdown."""
    return "\n".join([INTRODUCTION, *(_section(command) for command in all_commands())])


def all_commands() -> Iterator[Command]:
    """Yield every command of the four programs, each group before what is in it."""
    for program, group in (("bartizan", bartizan), ("bartizan-controller", bartizan_controller)):
        yield from _of_click(group, click.Context(group, info_name=program))
    yield from _of_argparse(agent_parser(), "")
    yield from _of_click(bartizan_lab, click.Context(bartizan_lab, info_name="bartizan-lab"))


def _of_click(command: click.Command, context: click.Context) -> Iterator[Command]:
    # `--help` is known to everybody and in no table.
    inner = command.list_commands(context) if isinstance(command, click.Group) else []
    yield Command(
        path=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        help=inspect.cleandoc(command.help or ""),
        parameters=tuple(_click_parameter(each, context) for each in command.params),
        is_group=bool(inner),
    )
    for name in inner:
        assert isinstance(command, click.Group)
        found = command.get_command(context, name)
        assert found is not None
        yield from _of_click(found, click.Context(found, parent=context, info_name=name))


def _click_parameter(parameter: click.Parameter, context: click.Context) -> Parameter:
    record = parameter.get_help_record(context)
    if record is None:  # an argument: click wants the command's help to tell of it
        return Parameter((parameter.human_readable_name,), parameter.make_metavar(context), "")
    return Parameter((*parameter.opts, *parameter.secondary_opts), *record)


def _of_argparse(parser: argparse.ArgumentParser, help_line: str) -> Iterator[Command]:
    # argparse has no public way to ask a parser for its arguments.
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001
    groups = [action for action in actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    own = [action for action in actions if action not in groups]
    pieces = [_typed(action) for action in own if not action.option_strings]
    yield Command(
        path=parser.prog,
        usage=" ".join([parser.prog, "[OPTIONS]", *pieces, *(["COMMAND [ARGS]..."] if groups else [])]),
        help="\n\n".join(filter(None, (parser.description or help_line, parser.epilog))),
        parameters=tuple(_argparse_parameter(action) for action in own),
        is_group=bool(groups),
    )
    for group in groups:
        for inner in group.choices.values():
            yield from _of_argparse(inner, "")


def _argparse_parameter(action: argparse.Action) -> Parameter:
    meaning = (action.help or "") % {"default": action.default}
    if action.required and action.option_strings:
        meaning = f"{meaning}  [required]"
    return Parameter(tuple(action.option_strings) or (action.dest,), _typed(action), meaning)


def _typed(action: argparse.Action) -> str:
    value = str(action.metavar or action.dest.upper()) if action.nargs != 0 else ""
    return " ".join(filter(None, (", ".join(action.option_strings), value)))


def _section(command: Command) -> str:
    level = "###" if " " in command.path else "##"
    lines = [f"{level} {command.path}", "", "```", command.usage, "```", "", *_paragraphs(command.help)]
    rows = [each for each in command.parameters if each.meaning]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| `{_cell(row.typed)}` | {_cell(row.meaning)} |" for row in rows), ""]
    return "\n".join(lines)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith(KEPT_LINES):
            yield from ("```", paragraph.removeprefix(KEPT_LINES), "```", "")
        elif paragraph:
            yield from (" ".join(paragraph.split()), "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
