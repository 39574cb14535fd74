"""The agent's start: where nothing is enforced, what was enforced last is, before the agent has verified anything."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.render import digest, render
from bartizan_agent import first
from bartizan_agent.nftables.restore import LOCK, RELEASED
from bartizan_agent.nftables.stored import StoredRulesets
from bartizan_agent.places import Places
from bartizan_lab.netns import Namespace
from tests.containment.estate import estate, with_level

KEPT = estate(3)
PROGRAM = (sys.executable, "-m", "bartizan_agent")


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    with Namespace("gateway") as namespace:
        yield namespace


@pytest.fixture
def state(tmp_path: Path) -> Path:
    StoredRulesets(tmp_path).keep(render(KEPT))
    return tmp_path


def table_after(gateway: Namespace, state: Path, *arguments: str) -> str:
    """The kernel's tables after the agent was started in vain: it is not enrolled."""
    variables = os.environ | {"BARTIZAN_STATE": str(state), "BARTIZAN_CONFIG": str(state / "none.toml")}
    done = subprocess.run(
        gateway.command(*PROGRAM, *arguments), env=variables, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 3
    return gateway.run("nft", "list", "ruleset")


@pytest.mark.netns
def test_it_holds_even_if_the_agent_cannot_run(gateway: Namespace, state: Path) -> None:
    assert digest(KEPT) in table_after(gateway, state, "run")


@pytest.mark.netns
def test_a_table_that_is_there_is_left_as_it_is(gateway: Namespace, state: Path, tmp_path: Path) -> None:
    newer = with_level(KEPT, 0, Level.QUARANTINE)
    (tmp_path / "newer.nft").write_text(render(newer), encoding="utf-8")
    gateway.run("nft", "-f", str(tmp_path / "newer.nft"))

    assert digest(newer) in table_after(gateway, state, "run")


@pytest.mark.netns
def test_while_containment_is_released_nothing_is_loaded(gateway: Namespace, state: Path) -> None:
    (state / RELEASED).write_text('{"began_at": 0, "ends_at": 1}', encoding="ascii")
    assert digest(KEPT) in table_after(gateway, state, "run")
    gateway.run("nft", "flush", "ruleset")

    now = time.time()
    (state / RELEASED).write_text(f'{{"began_at": {now - 1}, "ends_at": {now + 3600}}}', encoding="ascii")
    assert table_after(gateway, state, "run") == ""


@pytest.mark.netns
def test_other_commands_and_other_states_load_nothing(gateway: Namespace, state: Path) -> None:
    assert table_after(gateway, state, "status") == ""
    assert table_after(gateway, state, "--state=/nonexistent", "run") == ""


@pytest.mark.netns
def test_what_cannot_be_loaded_is_said_and_stops_no_agent(gateway: Namespace, state: Path) -> None:
    (state / LOCK).mkdir()
    variables = os.environ | {"BARTIZAN_STATE": str(state), "BARTIZAN_CONFIG": str(state / "none.toml")}
    program = gateway.command(*PROGRAM, "run")

    done = subprocess.run(program, env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 3, "it is not enrolled, which it says after that"
    assert "what was enforced last could not be loaded: [Errno 21] Is a directory" in done.stderr


@pytest.mark.netns
def test_an_attempt_that_is_killed_is_said_and_stops_no_agent(gateway: Namespace, state: Path) -> None:
    variables = os.environ | {"BARTIZAN_STATE": str(state), "BARTIZAN_CONFIG": str(state / "none.toml")}
    lock = os.open(state / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # the attempt waits for it
    try:
        with subprocess.Popen(
            gateway.command(*PROGRAM, "run"), env=variables, stderr=subprocess.PIPE, text=True
        ) as started:
            os.kill(attempt_of(started.pid), signal.SIGKILL)
            said = started.communicate(timeout=60)[1]
    finally:
        os.close(lock)

    assert started.returncode == 3, "it is not enrolled, which it says after that"
    assert "what was enforced last could not be loaded: signal 9 ended the attempt" in said


def attempt_of(agent: int) -> int:
    """Return the process that tries to load what was enforced last, once there is one."""
    ends = time.monotonic() + 30
    children = Path(f"/proc/{agent}/task/{agent}/children")
    while not (found := children.read_text(encoding="ascii").split()):
        assert time.monotonic() < ends
    return int(found[0])


def test_before_the_first_there_is_nothing_to_load(tmp_path: Path) -> None:
    assert first.load(str(tmp_path)) == ""
    assert not (tmp_path / LOCK).exists()


def test_its_places_are_those_of_the_agent(tmp_path: Path) -> None:
    places = Places(tmp_path)

    assert (places.lock.name, places.release.name) == (LOCK, RELEASED)


def test_it_imports_next_to_nothing() -> None:
    listed = "import sys; from bartizan_agent import first; print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {listed}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout

    assert {"pathlib", "asyncio", "msgspec", "ctypes"}.isdisjoint(printed.split())
