"""The exit codes that the page of commands promises to scripts, each from a real command."""

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan_agent.cli import main as agent
from tests.cli.people import PROGRAMS, ROOT, Person, make_controller, serving
from tests.statement.test_signed_statements import AUTHORITY, ENVELOPE

PAGE = ROOT / "docs" / "commands.md"
PEOPLE, CONTROLLER, AGENT = "bartizan", "bartizan-controller", "bartizan-agent"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    folder = tmp_path_factory.mktemp("estate") / "controller"
    make_controller(folder)
    with serving(folder) as somebody:
        yield somebody


def promised() -> set[tuple[str, int]]:
    """Which program ends with which code, as the table on the page says."""
    table = PAGE.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    heading, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    return {
        (program, int(row[0]))
        for row in rows
        for program, meaning in zip(heading, row, strict=True)
        if program in {PEOPLE, CONTROLLER, AGENT} and meaning != "-"
    }


def test_every_promised_code_is_one_that_a_command_ends_with(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Impatient())

    assert dict(of_people(person, tmp_path) | of_controller(person) | of_agent(tmp_path)) == {
        each: each[1] for each in promised()
    }


def of_people(person: Person, folder: Path) -> dict[tuple[str, int], int]:
    change = person.ask("policy", "sign", "policies/us-ndaa-889.yaml", *person.key(1))["change"]
    profile = person.profile.read_text(encoding="utf-8")
    (folder / "wrong.token").write_text("bzt_nobody_nothing", encoding="ascii")
    gone, stranger = Person(folder / "gone.toml", person.folder), Person(folder / "stranger.toml", person.folder)
    gone.profile.write_text(re.sub(r"(?m)^url = .*", 'url = "https://127.0.0.1:1"', profile), encoding="utf-8")
    wrong = f'token_file = "{folder}/wrong.token"'
    stranger.profile.write_text(re.sub(r"(?m)^token_file = .*", wrong, profile), encoding="utf-8")
    (folder / "statement.json").write_bytes(ENVELOPE)
    (folder / "authority.pem").write_bytes(AUTHORITY.pem)
    statement = ("statement", "verify", str(folder / "statement.json"), "--ca", str(folder / "authority.pem"))
    return {
        (PEOPLE, 0): person.run("status").returncode,
        (PEOPLE, 5): person.run(*statement).returncode,
        (PEOPLE, 1): person.run("policy", "show", "nowhere").returncode,
        (PEOPLE, 2): person.run("policy", "check", "missing.yaml").returncode,
        (PEOPLE, 3): gone.run("status").returncode,
        (PEOPLE, 4): stranger.run("status").returncode,
        (PEOPLE, 130): person.run("policy", "sign", "--change", change, *person.key(2)).returncode,
    }


def of_controller(person: Person) -> dict[tuple[str, int], int]:
    folder = str(person.folder)
    return {
        (CONTROLLER, 0): code(CONTROLLER, "token", "list", folder),
        (CONTROLLER, 1): code(CONTROLLER, "audit", "verify", folder, "--head", "f" * 64),
        (CONTROLLER, 2): code(CONTROLLER, "audit", "verify", folder, "--frobnicate"),
    }


def of_agent(folder: Path) -> dict[tuple[str, int], int]:
    places = (f"--state={folder / 'state'}", f"--config={folder / 'agent.toml'}")
    return {
        (AGENT, 0): code(AGENT, "--version"),
        (AGENT, 1): code(AGENT, *places, "restore"),
        (AGENT, 2): code(AGENT, "scan"),
        (AGENT, 3): code(AGENT, *places, "status"),
        (AGENT, 130): agent([*places, "enrol", "https://127.0.0.1:1", "--interface", "lo"]),
    }


class Impatient(io.StringIO):
    """Somebody who types Ctrl-C where a line is expected."""

    def readline(self, _size: int | None = -1, /) -> str:  # type: ignore[override] # typeshed: of two bases
        raise KeyboardInterrupt


def code(program: str, *arguments: str) -> int:
    """Type a command; return what it ends with."""
    return subprocess.run(
        [PROGRAMS / program, *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    ).returncode
