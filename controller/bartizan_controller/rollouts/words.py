"""A plan's reasons in words, the same for command line, console and log."""

from typing import assert_never

from bartizan_controller.rollouts.model import (
    CoverageHeld,
    FailureBudget,
    Paused,
    SiteAway,
    SiteBusy,
    Soaking,
    TooFewSucceeded,
    Unvetted,
    Waiting,
    WaveRunning,
    WindowClosed,
)


def in_words(waiting: Waiting, now: float) -> str:  # noqa: C901, PLR0911 - one line per reason, none of them nested
    """Return why a plan waits, in a sentence. `now` is Unix seconds."""
    match waiting:
        case Soaking(wave, until):
            return f"{wave} succeeded and is watched for another {max(0.0, until - now):.0f} s"
        case WaveRunning(wave, finished, total):
            return f"{wave}: {finished} of {total} finished"
        case FailureBudget(wave, failed, of, allowed_percent):
            names = ", ".join(failed)
            return f"{wave} stopped: {len(failed)} of {of} failed ({names}), more than {allowed_percent} % allowed"
        case TooFewSucceeded(wave, succeeded, of, needed_percent):
            return f"{wave} is over with {succeeded} of {of} successes, {needed_percent} % are needed"
        case Paused(reason):
            return f"paused: {reason}"
        case SiteBusy(site, limit):
            return f"{site} has {limit} device{'s' if limit > 1 else ''} down, as many as allowed at once"
        case CoverageHeld(device, coverage, by):
            return f"{device} waits for {by}, which also watches {coverage}"
        case SiteAway(site, _):
            return f"the gateway of {site} is not connected"
        case WindowClosed(site, opens_at):
            return f"the maintenance window of {site} opens in {max(0.0, opens_at - now):.0f} s"
        case Unvetted(image, reason):
            return f"the catalogue does not allow {image}: {reason}"
        case _:
            assert_never(waiting)
