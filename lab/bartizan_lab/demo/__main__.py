"""`python -m bartizan_lab.demo [--keep]`: the main job on one machine, end to end, in network namespaces."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from bartizan_lab.cameras import Timings
from bartizan_lab.demo import estate
from bartizan_lab.demo.installation import Installation
from bartizan_lab.demo.people import Claim
from bartizan_lab.demo.story import PHONE_HOME_SECONDS, Story
from bartizan_lab.demo.voice import Voice
from bartizan_lab.site.live import live

POLICIES = Path(__file__).parents[3] / "policies"
LAST_WORDS = """
Where to look next:
  README.md                 what Bartizan is, and the ten lines that install it
  docs/architecture.md      the words, the parts, the trust model
  policies/uk-hcws386.yaml  the policy that was enforced, with its cases beside it
  make demo KEEP=1          the same, left up for you to try commands on"""


def main() -> int:
    """Run the demonstration; return 0 only if every claim came true."""
    arguments = argparse.ArgumentParser(prog="python -m bartizan_lab.demo", description=__doc__)
    arguments.add_argument("--keep", action="store_true", help="leave everything up until Ctrl-C")
    keep: bool = arguments.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="bartizan-demo-"))
    try:
        untrue = asyncio.run(_run(folder, keep=keep))
    except KeyboardInterrupt:
        return 130
    if untrue is not None:
        sys.stderr.write(f"\nNot true: {untrue}\n\nThe logs are in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


async def _run(folder: Path, *, keep: bool) -> Claim | None:
    """Tell the story; return the claim that did not come true, or None."""
    voice = Voice()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    timings = Timings(phone_home_seconds=PHONE_HOME_SECONDS)
    async with live(estate.SITES, timings) as running:
        installation = Installation(running, folder, Path(sys.executable).parent)
        try:
            await Story(installation, POLICIES, voice).tell()
            voice.step(f"Done: every claim was measured, in {voice.seconds:.0f} s")
            voice.say(LAST_WORDS)
            if keep:
                voice.say(_where(installation))
                await stop.wait()
        except Claim as untrue:
            return untrue
        finally:
            await installation.stop()
    return None


def _where(installed: Installation) -> str:
    people = " ".join(installed.people.namespace.command(str(Path(sys.executable).parent / "bartizan")))
    gateway = " ".join(installed.live.sites[estate.TOWN_HALL].network.gateway.command("nft", "list", "ruleset"))
    return f"""
It stays up until Ctrl-C. In another terminal, as the same user:
  export BARTIZAN_PROFILE={installed.folder}/profile.toml
  {people} device list
  {gateway}"""


if __name__ == "__main__":
    sys.exit(main())
