"""Steps pushes for ever: when gateways report, when people publish or decide, and when a plan says it is time."""

from bartizan_controller.parts import Parts
from bartizan_controller.pushes import execute
from bartizan_controller.stepping import Stepped, keep_stepping

GATHER_SECONDS, BREATH_SECONDS = 0.5, 0.1


async def run_pushes(parts: Parts) -> None:
    """Keep every open push going until cancelled."""
    pushes = Stepped(
        "pushes",
        lambda c: execute.has_work(c, parts.publication.catalogue),
        lambda c, now: execute.step(c, parts.sign, parts.publication.catalogue, now=now),
        GATHER_SECONDS,
        BREATH_SECONDS,
    )
    await keep_stepping(parts, pushes)
