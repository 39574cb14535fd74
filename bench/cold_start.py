"""Boot to enforced: the boot unit's program against `nft -f` of the same text, 1,000 devices."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bartizan.containment.render import render
from bartizan_agent.nftables import restore
from bartizan_agent.nftables.restore import CURRENT
from bartizan_agent.nftables.stored import StoredRulesets
from bartizan_lab.netns import Namespace
from bench.filter_site import ruleset
from bench.floor import Goal, Result, in_turn, milliseconds, report

DEVICES = 1_000
ROUNDS = 15


def measure() -> Iterator[Result]:
    """Time both as the boot does: a new process, an empty ruleset."""
    with Namespace("boot") as gateway, tempfile.TemporaryDirectory() as folder:
        StoredRulesets(Path(folder)).keep(render(ruleset(DEVICES)))
        ours = gateway.command(sys.executable, "-I", "-S", restore.__file__, folder)
        bare = gateway.command("nft", "-f", f"{folder}/{CURRENT}")

        def timed(program: list[str]) -> float:
            gateway.run("nft", "flush", "ruleset")
            return milliseconds(lambda: subprocess.run(program, check=True, timeout=30))

        value, floor = in_turn(lambda: timed(ours), lambda: timed(bare), ROUNDS)
        yield Result(f"boot to enforced, {DEVICES:,} devices", value, "ms", floor, Goal("ratio", at_most=1.5))


if __name__ == "__main__":
    report(measure)
