"""When to connect again, decided without a socket or a clock.

A controller that dies is lost by thousands of gateways in the same moment. What they cost it when it is back are their
handshakes, a few hundred of which fit into a second. So each comes at a random moment of its own. While nobody is
there, it knocks once a turn: that costs nobody anything, the fleet stays as evenly spread as it is, and a controller
that comes back is found within one turn. Only where a broker is there and does not serve, it waits longer each time.
"""

import random


class Reconnect:
    """One gateway's patience. Each method returns how many seconds to wait."""

    def __init__(self, seconds: float, seconds_at_most: float, chance: random.Random) -> None:
        """Begin patiently.

        Args:
            seconds: A turn: within it a lost connection is made again.
            seconds_at_most: The longest turn, where a broker does not serve this gateway.
            chance: Spreads gateways over a turn.
        """
        self._seconds = seconds
        self._seconds_at_most = seconds_at_most
        self._chance = chance
        self._turn = seconds
        self._is_spread = False

    def after_loss(self) -> float:
        """After a connection that had held."""
        self._turn = self._seconds
        return self._at_random()

    def after_absence(self) -> float:
        """After nobody was there."""
        self._turn = self._seconds
        return self._seconds if self._is_spread else self._at_random()

    def after_failure(self) -> float:
        """After a broker did not serve: it was too slow, refused, or cut a connection that had not held."""
        self._turn = min(2 * self._turn, self._seconds_at_most)
        return self._at_random()

    def _at_random(self) -> float:
        self._is_spread = True
        return self._chance.uniform(0, self._turn)
