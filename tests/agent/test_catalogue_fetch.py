"""When a gateway asks for the catalogue by HTTPS."""

import random
import ssl
from pathlib import Path

from bartizan.ids import SiteId
from bartizan_agent.catalogue_fetch import CatalogueFetch, Patience
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.places import Places
from bartizan_agent.state import LastGood
from tests.agent.moving_clock import MovingClock

PATIENCE = Patience(lacking_seconds=30, away_seconds=600, longest_seconds=3600)


def fetch_of(folder: Path, clock: MovingClock, seed: int = 1) -> CatalogueFetch:
    """A gateway that holds no catalogue yet."""
    places = Places(folder)
    last_good = LastGood(places, SiteId("school"), IdentityKeys(places.keys))
    return CatalogueFetch(
        "https://127.0.0.1:9",
        ssl.create_default_context,
        last_good,
        clock=clock,
        chance=random.Random(seed),
        patience=PATIENCE,
    )


def test_the_server_is_asked_only_while_mqtt_does_not_bring_it(tmp_path: Path) -> None:
    clock = MovingClock()
    fetch, begun = fetch_of(tmp_path, clock), clock.monotonic()
    assert 15 <= due(fetch) - begun <= 30
    fetch.settled()
    assert fetch.due_at is None

    fetch.linked(connected=False)
    assert 300 <= due(fetch) - begun <= 600
    fetch.lacks()
    sooner = due(fetch)
    assert sooner - begun <= 30
    clock.move(10)
    fetch.lacks()
    fetch.linked(connected=False)
    fetch.linked(connected=True)
    assert due(fetch) == sooner, "who is told again does not wait anew"
    fetch.settled()
    assert fetch.due_at is None


def test_an_estate_does_not_come_at_once(tmp_path: Path) -> None:
    moments = [due(fetch_of(tmp_path, MovingClock(), seed)) for seed in range(200)]

    assert max(moments) - min(moments) > 13


def due(fetch: CatalogueFetch) -> float:
    assert fetch.due_at is not None
    return fetch.due_at
