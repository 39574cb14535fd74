"""Applying a ruleset, checked, verified and stored, against bare libnftables loading the same text."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.containment.render import difference, render
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_lab.netns import Namespace
from bench.filter_site import BareNftables, first_at, ruleset
from bench.floor import Result, in_turn, milliseconds, report

SIZES = (250, 1_000)


def measure() -> Iterator[Result]:
    """Measure a whole replacement and the change of one device."""
    for size in SIZES:
        site = ruleset(size)
        yield _replace(site)
        yield _change(site)


def _replace(site: Ruleset) -> Result:
    text = render(site)
    with _gateway() as (folder, bare):

        def product() -> float:
            # A new enforcer knows nothing of the table, as after a restart of the agent.
            with contextlib.closing(Nftables(folder)) as firewall:
                return milliseconds(lambda: firewall.apply(site))

        value, floor = in_turn(product, lambda: milliseconds(lambda: bare(text)))
    return Result(f"replace the table, read it back, store it: {len(site.devices):,} devices", value, "ms", floor)


def _change(site: Ruleset) -> Result:
    others = [first_at(site, Level.QUARANTINE), site]
    texts = [difference(site, others[0]), difference(others[0], site)]
    turns, bare_turns = itertools.cycle(others), itertools.cycle(texts)
    with _gateway() as (folder, _), contextlib.closing(Nftables(folder)) as firewall, _gateway() as (_, bare):
        firewall.apply(site)
        bare(render(site))
        value, floor = in_turn(
            lambda: milliseconds(lambda: firewall.apply(next(turns))),
            lambda: milliseconds(lambda: bare(next(bare_turns))),
            rounds=21,
        )
    return Result(f"change one device, verify and store it: {len(site.devices):,} devices", value, "ms", floor)


@contextlib.contextmanager
def _gateway() -> Iterator[tuple[Path, BareNftables]]:
    with Namespace("apply") as gateway, gateway.entered(), tempfile.TemporaryDirectory() as folder:
        yield Path(folder), BareNftables()


if __name__ == "__main__":
    report(measure)
