"""Whether our table was there all the time between two looks: told by counting the ruleset's generations. Pure.

The kernel numbers the states of the ruleset, one more for each transaction of anybody, and commits each whole. If all
the new numbers are our own transactions, nobody else changed anything. One foreign transaction between two looks that
both found our table as applied left it alone, for it has one state before and one after it. Two may have taken the
table away and put it back.
"""

from bartizan_agent.firewall import Proof


class Continuity:
    """Counts from one look to the next. `generation` is the one at which it begins."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._told = generation
        self._own = 0
        self._broken: list[str] = []

    def changed(self) -> None:
        """Take note of one transaction of ours."""
        self._own += 1

    def looked(self, generation: int, wrong: str) -> None:
        """Take note of a look at the whole table at this generation; `wrong` says how it was not as applied."""
        foreign = generation - self._generation - self._own
        if wrong:
            self._broken.append(f"the packet filter was not as applied: {wrong}")
        elif foreign and (foreign, self._own) != (1, 0):
            times = f"{foreign} times " if foreign > 0 else ""
            self._broken.append(f"another program changed the packet filter {times}between two looks")
        self._generation, self._own = generation, 0

    def proof(self) -> Proof:
        """Return what is known of the time since this was asked last."""
        found = Proof(self._told, self._generation, "; ".join(dict.fromkeys(self._broken)))
        self._told, self._broken = self._generation, []
        return found
