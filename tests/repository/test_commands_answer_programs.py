"""Every command that says something to people says it to programs as well: `--json`, one document, errors too."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bartizan.cli.ending import Failure
from bartizan_lab.command_reference import Command, all_commands

PROGRAMS = ("bartizan", "bartizan-controller", "bartizan-agent")
ANSWER_NOTHING = {
    "bartizan-agent run": "runs until it is told to stop; its log is JSON lines already",
    "bartizan-controller serve": "runs until it is told to stop; its --json is about its log",
}
COMMANDS = {each.path: each for each in all_commands() if each.path.split()[0] in PROGRAMS and not each.is_group}
ANSWERING = [path for path in COMMANDS if path not in ANSWER_NOTHING]


def takes_json(command: Command) -> bool:
    return any("--json" in parameter.names for parameter in command.parameters)


def test_every_command_takes_json() -> None:
    assert len(ANSWERING) > 60, "otherwise this is content with anything"
    assert [path for path in ANSWERING if not takes_json(COMMANDS[path])] == []


def test_the_exceptions_are_commands() -> None:
    assert set(ANSWER_NOTHING) <= set(COMMANDS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_call_is_told_in_one_document(program: str) -> None:
    """The first command of each program; how it is done is common to all of one program."""
    path = next(path for path in ANSWERING if path.split()[0] == program)
    done = typed(f"{path} --json --frobnicate")

    failure = msgspec.json.decode(done.stdout, type=Failure)
    assert (done.returncode, failure.exit_code) == (2, 2)
    assert failure.error
    assert failure.error in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("bartizan advisory show CVE-1 policies/advisories", 1),
        ("bartizan policy check missing.yaml", 2),
        ("bartizan status", 2),
        ("bartizan-controller audit verify nowhere", 1),
        ("bartizan-controller token revoke nowhere 17", 1),
        ("bartizan-controller broker-files nowhere files --host localhost", 1),
        ("bartizan-controller init policies", 1),
        ("bartizan-agent --config missing.toml --state nowhere status", 3),
        ("bartizan-agent --config missing.toml --state nowhere enrol https://127.0.0.1:1 -i nosuch0", 2),
        ("bartizan-agent scan", 2),
        ("bartizan-agent scan --interface nosuch0", 1),
    ],
)
def test_a_failure_is_told_in_one_document(words: str, code: int) -> None:
    """Standard error has the same line with `--json` and without; without it, standard output has nothing."""
    plain, for_programs = typed(words), typed(f"{words} --json")

    assert (plain.returncode, plain.stdout) == (code, "")
    assert for_programs.stderr == plain.stderr
    failure = msgspec.json.decode(for_programs.stdout, type=Failure)
    assert (failure.exit_code, for_programs.returncode) == (code, code)
    assert failure.error in plain.stderr


def typed(words: str) -> "subprocess.CompletedProcess[str]":
    program, *rest = words.split()
    return subprocess.run(
        [Path(sys.executable).with_name(program), *rest],
        env={**os.environ, "BARTIZAN_PROFILE": "/nonexistent/profile.toml"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
