"""What the long-lived agent holds in memory is named and reviewed: agent/modules.txt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import agent_alone

LISTED = Path(__file__).parents[2] / "agent" / "modules.txt"
OURS = {"bartizan", "bartizan_agent"}
# Of ours, what only commands, an enrolment, a catalogue's arrival or other programs have a use for.
NOT_NEEDED = {
    "bartizan.cli",
    "bartizan.trust.approval",
    "bartizan.trust.reading",
    "bartizan_agent.cli.scan",
    "bartizan_agent.enrol",
    "bartizan_agent.recordings",
    "bartizan_agent.server_files",
    "bartizan_agent.tuf_client",
}
PROGRAM = """
from bartizan_agent import later, settled
settled.import_all()
import asyncio, contextlib, json, sys
from pathlib import Path
import httpx
from bartizan.errors import BartizanError
from bartizan_agent.apart import verify_apart
from bartizan_agent.catalogue import CatalogueClient
from bartizan_agent.http_transport import OneConnectionEach

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")

async def ask_a_camera():
    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        async with httpx.AsyncClient(transport=OneConnectionEach(None), trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "hi"

with contextlib.suppress(BartizanError):
    CatalogueClient(Path(sys.argv[1]), verify=verify_apart).update({}, 0.0)
asyncio.run(ask_a_camera())
print(json.dumps(sorted(name for name, module in sys.modules.items() if type(module) is not later._Later)))
"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """All modules of an agent with nothing left to do, in an installation of the agent alone."""
    packages, state = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("catalogue")
    (state / "root.json").write_text("{}", encoding="ascii")
    program = [sys.executable, "-S", "-c", PROGRAM, str(state)]
    printed = subprocess.run(
        program, env=agent_alone.environment(packages), check=True, capture_output=True, timeout=60
    ).stdout
    return set(json.loads(printed)) - {"__main__"}


def listed() -> list[str]:
    return [line for line in LISTED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def test_it_holds_no_module_that_was_not_decided_on(held: set[str]) -> None:
    """A module more is up to some hundred kilobytes on every gateway, for as long as the agent runs: a decision."""
    names = listed()

    assert names == sorted(names)
    assert named(held) - set(names) == set()


def test_nothing_is_listed_that_it_does_not_hold(held: set[str]) -> None:
    gone = set(listed()) - named(held)

    # What the standard library imports by itself differs from one Python to the next.
    assert {name for name in gone if name.partition(".")[0] not in sys.stdlib_module_names} == set()


def test_of_ours_it_holds_nothing_that_others_need(held: set[str]) -> None:
    assert NOT_NEEDED.intersection(held) == set()


def named(modules: set[str]) -> set[str]:
    """Of these, what is listed: modules of others, those of compiled code and of encodings left out."""
    roots = {name: name.partition(".")[0] for name in modules}
    return {name for name, root in roots.items() if root not in {*OURS, "encodings"} and not root.startswith("_")}
