"""How the agent's commands end: an exit code for scripts, one line for people, never a traceback."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bartizan_agent.cli import main


class Impatient(io.StringIO):
    """Somebody who types Ctrl-C where a line is expected."""

    def readline(self, _size: int | None = -1, /) -> str:  # type: ignore[override] # typeshed: of two bases
        raise KeyboardInterrupt


def test_ctrl_c_ends_a_command_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", Impatient())
    places = ("--state", str(tmp_path / "state"), "--config", str(tmp_path / "agent.toml"))

    assert main([*places, "enrol", "https://127.0.0.1:1", "--interface", "lo"]) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("status",), ("explain", "10.0.0.1")])
def test_a_gateway_that_is_not_enrolled_says_how_to_enrol(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ("--state", str(tmp_path / "state"), "--config", str(tmp_path / "agent.toml"))

    assert main([*places, *command]) == 3
    assert "enrol this gateway with `bartizan-agent enrol`" in capsys.readouterr().err


def test_a_reader_who_has_enough_is_not_shown_a_traceback(tmp_path: Path) -> None:
    """As in `bartizan-agent explain … --json | head`."""
    program = Path(sys.executable).parent / "bartizan-agent"
    places = (f"--state={tmp_path / 'state'}", f"--config={tmp_path / 'agent.toml'}")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([program, *places, "status", "--json"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert b"enrol this gateway" in done.stderr
