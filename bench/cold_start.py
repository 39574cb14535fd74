"""Boot to enforced, 1,000 devices: the boot unit's program and the agent itself, each from its start.

The boot unit's floor is `nft -f` of the same text. The agent's is the shortest Python that loads that text through
libnftables. Where nothing is stored, the agent first has to verify its catalogue and judge every device: a row of its
own. Both are watched for the kernel's first change.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bartizan.containment.render import render
from bartizan_agent.nftables import restore
from bartizan_agent.nftables.netlink import Generations
from bartizan_agent.nftables.restore import CURRENT, PREVIOUS
from bartizan_agent.nftables.stored import StoredRulesets
from bartizan_lab.netns import Namespace
from bench import agent_alone
from bench.filter_site import network, ruleset
from bench.floor import Goal, Result, in_turn, milliseconds, report
from bench.gateway_program import Estate

DEVICES = 1_000
ROUNDS = 15
UNSTORED_ROUNDS = 7
LATE_SECONDS = 20.0
LEAN = """
import ctypes, sys
library = ctypes.CDLL("libnftables.so.1")
library.nft_ctx_new.restype = ctypes.c_void_p
with open(sys.argv[1], "rb") as file:
    sys.exit(library.nft_run_cmd_from_buffer(ctypes.c_void_p(library.nft_ctx_new(0)), file.read()))
"""


def measure() -> Iterator[Result]:
    """Time all as the boot does: a new process, an empty ruleset."""
    with tempfile.TemporaryDirectory() as folder:
        StoredRulesets(Path(folder)).keep(render(ruleset(DEVICES)))
        with Namespace("boot") as gateway:
            yield _boot_unit(gateway, folder)
        with network() as site:
            yield from _agent(site.gateway, Path(folder))


def _boot_unit(gateway: Namespace, folder: str) -> Result:
    ours = gateway.command(sys.executable, "-I", "-S", restore.__file__, folder)
    bare = gateway.command("nft", "-f", f"{folder}/{CURRENT}")

    def timed(program: list[str]) -> float:
        gateway.run("nft", "flush", "ruleset")
        return milliseconds(lambda: subprocess.run(program, check=True, timeout=30))

    value, floor = in_turn(lambda: timed(ours), lambda: timed(bare), ROUNDS)
    return Result(f"boot to enforced, {DEVICES:,} devices", value, "ms", floor, Goal("ratio", at_most=1.5))


def _agent(gateway: Namespace, folder: Path) -> Iterator[Result]:
    estate, alone = Estate(folder / "estate", ruleset(DEVICES)), folder / "alone"
    alone.mkdir()
    places = {"BARTIZAN_STATE": str(estate.places.state), "BARTIZAN_CONFIG": str(estate.configuration)}
    variables = os.environ | agent_alone.installed(alone) | places
    ours = gateway.command(*agent_alone.agent(alone), "run")
    lean = gateway.command(sys.executable, "-I", "-S", "-c", LEAN, f"{folder}/{CURRENT}")
    with gateway.entered():
        generations = Generations()

    def timed(program: list[str], *, stored: bool = True) -> float:
        gateway.run("nft", "flush", "ruleset")
        for name in (CURRENT, PREVIOUS):
            (estate.places.state / name).unlink(missing_ok=True)
        if stored:
            StoredRulesets(estate.places.state).keep(render(ruleset(DEVICES)))
        return _until_enforced(program, variables, generations)

    name = f"agent's start to enforced, {DEVICES:,} devices"
    with closing(generations):
        value, floor = in_turn(lambda: timed(ours), lambda: timed(lean), ROUNDS)
        yield Result(name, value, "ms", floor, Goal("ratio", at_most=1.3))
        value, floor = in_turn(lambda: timed(ours, stored=False), lambda: timed(lean), UNSTORED_ROUNDS)
        yield Result(f"{name}, nothing stored", value, "ms", floor)


def _until_enforced(program: list[str], variables: dict[str, str], generations: Generations) -> float:
    """Return the milliseconds from a program's start until the kernel has another ruleset, and end the program."""
    before, began = generations.now(), time.perf_counter()
    child = subprocess.Popen(program, env=variables, stderr=subprocess.DEVNULL)
    try:
        while generations.now() == before:
            if time.perf_counter() - began > LATE_SECONDS:
                raise TimeoutError(f"{program} has changed nothing in {LATE_SECONDS:g} s")
            time.sleep(0.0005)
        return (time.perf_counter() - began) * 1000
    finally:
        child.terminate()
        child.wait(LATE_SECONDS)


if __name__ == "__main__":
    report(measure)
