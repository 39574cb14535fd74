"""What every benchmark shares: the product and a bare-tool floor, measured in turn and compared by medians.

    def measure() -> Iterator[Result]:
        value, floor = in_turn(lambda: milliseconds(product), lambda: milliseconds(bare_tool))
        yield Result("thing done", value, "ms", floor, goal=Goal("ratio", at_most=1.5))

    if __name__ == "__main__":
        report(measure)

`python -m bench.NAME` prints a table, `python -m bench.NAME --json` one object a line.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

ROUNDS = 9
_COLUMNS = "{:<58} {:>12} {:>12} {:>7}  {}"


class Goal(NamedTuple):
    """A bound on a result's `value` or on its `ratio` to the floor: `of` says on which."""

    of: str
    at_most: float | None = None
    at_least: float | None = None

    def met(self, measured: float) -> bool:
        """Return whether the bound holds."""
        return (self.at_most is None or measured <= self.at_most) and (
            self.at_least is None or measured >= self.at_least
        )

    def __str__(self) -> str:
        bounds = (("<=", self.at_most), (">=", self.at_least))
        return " and ".join(f"{sign}{bound:g}" for sign, bound in bounds if bound is not None)


class Result(NamedTuple):
    """One line of a benchmark: a median, the floor's median in the same run, and what was aimed at."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """The value in floors; None where there is no floor."""
        return self.value / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None where there is none."""
        if self.goal is None:
            return None
        measured = self.ratio if self.goal.of == "ratio" else self.value
        return measured is not None and self.goal.met(measured)


def in_turn(product: Callable[[], float], floor: Callable[[], float], rounds: int = ROUNDS) -> tuple[float, float]:
    """Run both `rounds` times, taking turns at going first, and return the medians of what they return.

    Absolute times drift on a shared machine; two medians of one interleaved run can be compared.
    One unmeasured call of each goes before, for caches and imports.
    """
    ours: list[float] = []
    bare: list[float] = []
    product()
    floor()
    for turn in range(rounds):
        pair = ((product, ours), (floor, bare))
        for run, results in pair if turn % 2 else reversed(pair):
            results.append(run())
    return statistics.median(ours), statistics.median(bare)


def milliseconds(action: Callable[[], object]) -> float:
    """Return how long `action` takes. Garbage of earlier rounds is collected before, not during."""
    gc.collect()
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def report(measure: Callable[[], Iterable[Result]], options: argparse.ArgumentParser | None = None) -> None:
    """Print what `measure` yields, as the command line asks: a table, or with `--json` one object a line.

    Args:
        measure: Measures one thing after the other.
        options: What else the program may be given, without help; for the program itself to parse.
    """
    parser = argparse.ArgumentParser(parents=[options] if options else [])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    if parser.parse_args().json:
        for result in measure():
            print(json.dumps(as_object(result)), flush=True)
        return
    print(_COLUMNS.format("", "measured", "floor", "ratio", "goal"), flush=True)
    for result in measure():
        print(_row(result), flush=True)


def as_object(result: Result) -> dict[str, object]:
    """Return a result as it is printed with `--json`."""
    return {
        "name": result.name,
        "value": round(result.value, 4),
        "unit": result.unit,
        "floor": None if result.floor is None else round(result.floor, 4),
        "ratio": None if result.ratio is None else round(result.ratio, 3),
        "goal": None if result.goal is None else str(result.goal),
        "goal_of": None if result.goal is None else result.goal.of,
        "met": result.met,
    }


def _row(result: Result) -> str:
    verdict = {None: "", True: "met", False: "MISSED"}[result.met]
    return _COLUMNS.format(
        result.name,
        f"{result.value:.4g} {result.unit}",
        "" if result.floor is None else f"{result.floor:.4g} {result.unit}",
        "" if result.ratio is None else f"{result.ratio:.2f}x",
        f"{result.goal.of} {result.goal} {verdict}" if result.goal else "",
    ).rstrip()
