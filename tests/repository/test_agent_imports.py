"""What the long-lived agent holds in memory is named and reviewed: what it imports before its first camera is asked."""

import json
import subprocess
import sys
from pathlib import Path

from bench import agent_alone

# What `bartizan-agent run` imports at a site with cameras and a catalogue, at its start or soon after.
LONG_LIVED = (
    "bartizan_agent.cli",
    "bartizan_agent.cli.run",
    "bartizan_agent.app",
    "bartizan_agent.nftables.drift",
    "bartizan_agent.nftables.enforcer",
    "bartizan_agent.link",
    "bartizan_agent.discovery.watch",
    "bartizan_agent.cameras",
)
# A package more is some hundred kilobytes on every gateway, for as long as the agent runs: a decision.
PACKAGES = {
    "aiomqtt",
    "bartizan",
    "bartizan_agent",
    "cryptography",
    "defusedxml",
    "httpx",
    "idna",
    "msgspec",
    "paho",
    "securesystemslib",
    "tuf",
    "typing_extensions",
}
# Of the standard library, and of ours, what only commands, tests or other programs have a use for.
NOT_NEEDED = {
    "bartizan.cli",
    "bartizan_agent.cli.scan",
    "bartizan_agent.enrol",
    "bartizan_agent.recordings",
    "bartizan_agent.switches.client",
    "bartizan_agent.switches.pysnmp_names",
    "ctypes.util",
    "importlib.metadata",
    "importlib.resources",
    "multiprocessing",
    "pydoc",
    "unittest",
    "zipfile",
}
PROGRAM = f"""
import contextlib, json, sys, {", ".join(LONG_LIVED)}
from pathlib import Path
from bartizan.errors import BartizanError
from bartizan_agent.catalogue import CatalogueClient

with contextlib.suppress(BartizanError):
    CatalogueClient(Path(sys.argv[1])).update({{}}, 0.0)
print(json.dumps(sorted(sys.modules)))
"""


def test_the_agent_holds_what_it_was_decided_to_hold(tmp_path: Path) -> None:
    packages, state = tmp_path / "packages", tmp_path / "catalogue"
    packages.mkdir()
    state.mkdir()
    (state / "root.json").write_text("{}", encoding="ascii")
    environment = agent_alone.environment(packages)

    printed = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, str(state)], env=environment, check=True, capture_output=True, timeout=60
    ).stdout

    held: list[str] = json.loads(printed)
    roots = {name.partition(".")[0] for name in held} - sys.stdlib_module_names - {"__main__"}
    assert {root for root in roots if not root.startswith("_")} == PACKAGES
    assert NOT_NEEDED.intersection(held) == set()
