"""What boots copies no packets, because a group may be taken or absent then: it holds the same, and is no drift."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.wire import events
from bartizan_agent.nftables import restore
from tests.containment.reference_model import Packet
from tests.containment.wire import wire
from tests.hearing.test_evidence_of_a_gateway import BEACON, CAMERA, MAC, Machine

pytestmark = pytest.mark.netns

IN_THE_ESTATE = Packet("cam0", "core0", MAC, CAMERA, "10.1.0.5", "tcp", 40000, 443)
BACK = Packet("core0", "cam0", "02:00:00:00:00:fe", "198.51.100.7", CAMERA, "tcp", 443, 40000)
NOT_HELD = Packet("core0", "core0", "02:00:00:00:00:fe", "10.1.0.5", "198.51.100.7", "udp", 5000, 5001)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with wire() as cables:
        yield Machine(cables, tmp_path)


def test_the_agent_takes_over_what_booted_without_a_gap_or_a_word_of_drift(machine: Machine) -> None:
    cables, packets = machine.cables, [BEACON, IN_THE_ESTATE, BACK, NOT_HELD]
    with machine.agent():
        wanted = cables.forwarded(packets)
        assert "log" in cables.gateway.run("nft", "list", "table", "inet", "bartizan")
    cables.gateway.run("nft", "flush", "ruleset")
    assert cables.forwarded(packets) == [True] * 4, "nobody holds them: a positive control"

    program = cables.gateway.command(sys.executable, "-I", "-S", restore.__file__, str(machine.places.state))
    assert subprocess.run(program, check=False, timeout=30).returncode == 0

    assert "log" not in cables.gateway.run("nft", "list", "table", "inet", "bartizan")
    assert cables.forwarded(packets) == wanted
    with machine.agent() as gateway:
        gateway.count()
        assert cables.forwarded(packets) == wanted
        assert "log" in cables.gateway.run("nft", "list", "table", "inet", "bartizan")
    assert events.CONTAINMENT_DRIFT not in machine.told
    assert events.AGENT_STARTED in machine.told
    assert wanted == [False, False, False, True]
