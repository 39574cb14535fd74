"""A plan's reasons in words, the same for command line, console and log."""

from typing import assert_never

from bartizan.ids import SiteId
from bartizan_controller.pushes.model import (
    Differs,
    Paused,
    SitesAway,
    SitesTooOld,
    Soaking,
    StageRunning,
    Waiting,
)

NAMED_AT_MOST = 5


def in_words(waiting: Waiting, now: float) -> str:
    """Return why a push waits, in a sentence. `now` is Unix seconds."""
    match waiting:
        case Soaking(stage, until):
            return f"{stage} agrees and is watched for another {max(0.0, until - now):.0f} s"
        case StageRunning(stage, agree, total, needed):
            return f"{stage}: {agree} of {total} sites read back what is expected, {needed} % are needed"
        case SitesAway(stage, sites):
            return f"{stage}: not connected: {_named(sites)}"
        case SitesTooOld(sites):
            return f"agents that refuse it, to be upgraded: {_named(sites)}"
        case Differs(stage, differences, of, allowed):
            first = "; ".join(f"{site}: {why[0]}" for site, why in sorted(differences.items())[:NAMED_AT_MOST])
            return f"{stage} stopped: {len(differences)} of {of} sites differ, more than {allowed} % allowed ({first})"
        case Paused(reason, until):
            return f"paused: {reason}; in force everywhere in {max(0.0, until - now):.0f} s all the same"
        case _:
            assert_never(waiting)


def _named(sites: tuple[SiteId, ...]) -> str:
    more = f" and {len(sites) - NAMED_AT_MOST} more" if len(sites) > NAMED_AT_MOST else ""
    return ", ".join(sites[:NAMED_AT_MOST]) + more
