"""A catalogue is verified in a child process as it is in this one, and nothing of that process is left."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bartizan.errors import BadSignature, Expired, Malformed, Refused, Stale, TooNew, Unavailable
from bartizan_agent.apart import verify_apart
from bartizan_agent.catalogue import CatalogueClient, keep_first_root
from tests.trust.estate import DAY, NOW, Estate, policy


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where children put what they need for a moment. One that is killed leaves it there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def gateway(estate: Estate, name: str = "apart", capability: int = 1) -> CatalogueClient:
    folder = estate.folder / name
    keep_first_root(folder, estate.repository.first_root())
    return CatalogueClient(folder, capability=capability, verify=verify_apart)


def children() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_it_accepts_what_this_process_would_accept(estate: Estate) -> None:
    estate.publish_policy(policy())
    files = estate.all_files()
    before = children()

    apart, here = gateway(estate), estate.gateway()

    assert apart.update(files, NOW) == here.update(files, NOW)
    assert (apart._folder / "last-good.json").read_bytes() == (here._folder / "last-good.json").read_bytes()
    assert CatalogueClient(apart._folder, verify=verify_apart).load() == here.catalogue
    assert children() == before


@pytest.mark.parametrize(
    ("error", "now", "capability", "spoilt"),
    [
        pytest.param(Expired, NOW + 3650 * DAY, 1, "", id="expired"),
        pytest.param(TooNew, NOW, 0, "", id="too new"),
        pytest.param(Malformed, NOW, 1, "timestamp", id="malformed"),
        pytest.param(BadSignature, NOW, 1, "targets/", id="tampered with"),
    ],
)
def test_it_refuses_for_the_same_reason(
    estate: Estate, error: type[Refused], now: float, capability: int, spoilt: str
) -> None:
    estate.publish_policy(policy())
    files = {path: data[1:] if spoilt and spoilt in path else data for path, data in estate.all_files().items()}
    with pytest.raises(error) as here:
        estate.gateway(capability=capability).update(files, now)

    with pytest.raises(error) as apart:
        gateway(estate, capability=capability).update(files, now)

    assert str(apart.value) == str(here.value)


def test_what_is_older_than_what_is_held_is_refused_there_too(estate: Estate) -> None:
    older = estate.all_files()
    estate.publish_policy(policy())
    client = gateway(estate)
    client.update(estate.all_files(), NOW)

    with pytest.raises(Stale):
        client.update(older, NOW)


def test_what_the_files_say_themselves_is_heard(estate: Estate, temporary: Path) -> None:
    class Away:
        def __getitem__(self, path: str) -> bytes:
            raise Unavailable(f"{path}: nobody answers")

    with pytest.raises(Unavailable, match="nobody answers"):
        gateway(estate).update(Away(), NOW)

    assert list(temporary.iterdir()) == []


def test_a_child_that_dies_is_no_verdict(estate: Estate) -> None:
    before = children()
    files = estate.all_files()

    class Deadly:
        def __getitem__(self, path: str) -> bytes:
            for child in children() - before:
                os.kill(child, signal.SIGKILL)
            return files[path]

    with pytest.raises(Unavailable, match="without an answer"):
        gateway(estate).update(Deadly(), NOW)
    assert children() == before


def test_where_there_is_no_room_for_a_child_it_is_done_here(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError("TasksMax is reached")

    monkeypatch.setattr(os, "fork", full)

    assert gateway(estate).update(estate.all_files(), NOW) == estate.gateway().update(estate.all_files(), NOW)


HELD = """
import sys
from pathlib import Path
from bartizan_agent.apart import verify_apart
from bartizan_agent.catalogue import CatalogueClient

assert CatalogueClient(Path(sys.argv[1]), verify=verify_apart).load() is not None
print(*(name for name in sys.modules if name.partition(".")[0] in {"tuf", "securesystemslib"}))
"""


def test_python_tuf_is_not_held_afterwards(estate: Estate) -> None:
    client = gateway(estate)
    client.update(estate.all_files(), NOW)

    program = [sys.executable, "-c", HELD, str(client._folder)]
    printed = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60).stdout

    assert printed.split() == []
