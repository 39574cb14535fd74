"""How gateways come back to a controller that was away: soon, and not all at once."""

import random
from collections import Counter

from bartizan_agent.reconnect import Reconnect

TURN, LONGEST = 8.0, 20.0


def patience(seed: int = 1) -> Reconnect:
    return Reconnect(TURN, LONGEST, random.Random(seed))


def test_a_lost_connection_is_made_again_within_a_turn_at_a_moment_of_ones_own() -> None:
    waits = [patience(seed).after_loss() for seed in range(100)]

    assert 0 <= min(waits) < 1
    assert 7 < max(waits) <= TURN


def test_while_nobody_is_there_the_rhythm_stays() -> None:
    one = patience()
    one.after_loss()

    assert [one.after_absence() for _ in range(100)] == [TURN] * 100


def test_gateways_that_start_together_and_find_nobody_are_spread() -> None:
    waits = [patience(seed).after_absence() for seed in range(100)]

    assert min(waits) < 1
    assert max(waits) > 7


def test_a_broker_that_does_not_serve_is_left_in_peace_ever_longer() -> None:
    seeds = range(200)
    gateways = [patience(seed) for seed in seeds]
    longest = [max(one.after_failure() for one in gateways) for _ in range(4)]

    assert [round(seconds) for seconds in longest] == [16, 20, 20, 20]


def test_patience_is_new_after_a_connection_that_held_and_where_nobody_was_there() -> None:
    one, another = patience(), patience()
    for _ in range(10):
        one.after_failure()
        another.after_failure()
    another.after_absence()

    assert max(one.after_loss() for _ in range(100)) <= TURN
    assert another.after_failure() <= 2 * TURN


def test_thousands_come_back_within_one_turn_and_evenly() -> None:
    """A broker makes 400 to 500 handshakes a second on two cores: 5,000 gateways in 8 s are few too many."""
    comings = []
    for seed in range(5000):
        one = patience(seed)
        at = one.after_loss()
        while at < 61.7:  # when somebody is there again
            at += one.after_absence()
        comings.append(at - 61.7)
    by_second = Counter(int(coming) for coming in comings)

    assert max(comings) <= TURN
    assert max(by_second.values()) < 5000 / TURN * 1.2
