"""A plan's reasons in words, the same for command line, console and log."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from bartizan.ids import SiteId
from bartizan_controller.pushes.model import (
    Differs,
    Paused,
    SitesAway,
    SitesTooOld,
    Soaking,
    StageRunning,
    StandbysAway,
    StandbysNotEnrolled,
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
        case SitesAway() | StandbysNotEnrolled() | StandbysAway() | SitesTooOld():
            return _missing(waiting)
        case Differs(stage, differences, of, allowed):
            first = "; ".join(f"{site}: {why[0]}" for site, why in sorted(differences.items())[:NAMED_AT_MOST])
            return f"{stage} stopped: {len(differences)} of {of} sites differ, more than {allowed} % allowed ({first})"
        case Paused(reason, until):
            return f"paused: {reason}; in force everywhere in {max(0.0, until - now):.0f} s all the same"
        case _:
            assert_never(waiting)


def _missing(waiting: SitesAway | StandbysNotEnrolled | StandbysAway | SitesTooOld) -> str:
    match waiting:
        case SitesAway(stage, sites):
            return f"{stage}: not connected: {_named(sites)}"
        case StandbysNotEnrolled(stage, standbys):
            return f"{stage}: {_standbys(standbys, 'was never enrolled')}: judged by the other gateway alone"
        case StandbysAway(stage, standbys):
            return f"{stage}: {_standbys(standbys, 'is away')}: judged by the other gateway alone until it is back"
        case SitesTooOld(sites):
            return f"agents that refuse it, to be upgraded: {_named(sites)}"
        case _:
            assert_never(waiting)


def _standbys(standbys: Mapping[SiteId, SiteId], how: str) -> str:
    return _named(f"standby {gateway} of {site} {how}" for gateway, site in sorted(standbys.items()))


def _named(names: Iterable[str]) -> str:
    named = tuple(names)
    more = f" and {len(named) - NAMED_AT_MOST} more" if len(named) > NAMED_AT_MOST else ""
    return ", ".join(named[:NAMED_AT_MOST]) + more
