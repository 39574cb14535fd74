"""Every command that a document tells people to type is one that the programs take, options included."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan_lab.command_reference import Command, all_commands

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("README.md", "docs/*.md", "docs/guides/*.md", "deploy/*/README.md", "policies/README.md")
    for path in ROOT.glob(pattern)
    if path.name not in {"commands.md", "api.md", "architecture.md"}
)
COMMANDS = {command.path: command for command in all_commands()}
PROGRAMS = ("bartizan", "bartizan-controller", "bartizan-agent", "bartizan-lab")
SHARED = {"--help", "-h", "--version"}
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_A_LINE = re.compile(r"`((?:bartizan|bartizan-[a-z]+) [^`]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_to_be_typed_is_understood(document: Path) -> None:
    assert [wrong for typed in typed_in(document.read_text(encoding="utf-8")) if (wrong := complaint(typed))] == []


def test_commands_are_found_and_wrong_ones_are_complained_of() -> None:
    """Otherwise the test above would be content with anything."""
    found = [typed for document in DOCUMENTS for typed in typed_in(document.read_text(encoding="utf-8"))]

    assert len(found) > 150
    assert complaint("bartizan contain X --level isolate --reason why") == ""
    assert complaint("bartizan-agent --state DIR release --all --by me") == ""
    assert "no command" in complaint("bartizan frobnicate")
    assert "no option --estates" in complaint("bartizan contain --estates")


def typed_in(text: str) -> Iterator[str]:
    """Yield the commands of ours in a document, from blocks and from lines, without comments and continuations."""
    blocks = "\n".join(FENCED.findall(text)).replace("\\\n", " ")
    candidates = [*blocks.splitlines(), *IN_A_LINE.findall(FENCED.sub("", text).replace("\n", " "))]
    for line in candidates:
        for part in re.split(r"&&|\||;| #", line):
            words = part.split()
            at = next((place for place, word in enumerate(words) if Path(word).name in PROGRAMS), None)
            is_typed = at == 0 or (at is not None and words[at - 1] == "--")
            if at is not None and is_typed and at + 1 < len(words):
                yield " ".join([Path(words[at]).name, *words[at + 1 :]])


def complaint(typed: str) -> str:
    """What is wrong with a command; nothing if it could be typed so. Values and arguments are not looked at."""
    try:
        program, *words = shlex.split(typed.replace("…", ""))
    except ValueError:
        program, *words = typed.split()
    command = COMMANDS[program]
    options = set(SHARED)
    for word in words:
        inner = COMMANDS.get(f"{command.path} {word}")
        if inner is not None:
            options |= names(command)
            command = inner
        elif command.is_group and re.fullmatch(r"[a-z][a-z-]+", word) and not takes_values(command):
            return f"{typed!r}: {command.path} has no command {word!r}"
    options |= names(command)
    unknown = [word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1]
    return next((f"{typed!r}: {command.path} has no option {word}" for word in unknown if word not in options), "")


def names(command: Command) -> set[str]:
    """The spellings of a command's options."""
    return {name for parameter in command.parameters for name in parameter.names if name.startswith("-")}


def takes_values(command: Command) -> bool:
    """Whether words that are no commands may follow a group: values of its own options."""
    return bool(names(command) - SHARED)
