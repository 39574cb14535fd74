"""A statement of one device, made of what the store holds and signed with this gateway's key."""

import sqlite3
from typing import NamedTuple

from bartizan.containment.statement import Measured, Statement, compose, dropped_within
from bartizan.errors import Refused
from bartizan.identity.model import Device
from bartizan.ids import SiteId
from bartizan.trust.statements import FORMAT
from bartizan_agent import __version__, attempts, holdings, measurement
from bartizan_agent.announcements import unlisted_topic, was_told
from bartizan_agent.identity_keys import IdentityKeys


class Asked(NamedTuple):
    """Of which device, and of which time: Unix seconds."""

    device: Device
    since: float
    until: float


class NothingToState(Refused):
    """A time that has not begun, or that ends before it begins."""

    code = "nothing-to-state"


def last_look(connection: sqlite3.Connection) -> float:
    """Return when the kernel was last found as applied, as far as it is written down; 0 if never."""
    span = measurement.latest(connection)
    return span.until if span is not None else 0.0


def make(connection: sqlite3.Connection, keys: IdentityKeys, site: SiteId, asked: Asked, now: float) -> bytes:
    """Return the envelope of a statement.

    Raises:
        NothingToState: The time is none.
        Unavailable: This gateway is not enrolled.
        Malformed: Its key file was damaged.
    """
    device, since, until = asked
    if not 0 <= since < until <= now:
        raise NothingToState(
            "a statement is of a time that has passed: it must begin before it ends, and end before now"
        )
    spans = [Measured(*span[:2], span.because) for span in measurement.within(connection, since, now)]
    held = holdings.of_device(connection, device.id, last_look(connection))
    tried, least = dropped_within(attempts.of_macs(connection, device.macs), since, until)
    statement = Statement(
        format=FORMAT,
        site=site,
        device=device.id,
        since=since,
        until=until,
        made_at=now,
        agent_version=__version__,
        parts=compose(since, until, spans, held),
        dropped=tried[: attempts.OF_A_MAC],
        dropped_at_least=least,
        unlisted=was_told(connection, unlisted_topic(device.id)),
    )
    return keys.sign_statement(statement)
