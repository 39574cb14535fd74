"""Steps rollouts for ever: when gateways report, when people decide, and when a plan says that time will tell."""

from bartizan.firmware.model import Image
from bartizan.ids import ImageId
from bartizan_controller.parts import Parts
from bartizan_controller.rollouts import execute
from bartizan_controller.stepping import Stepped, keep_stepping

GATHER_SECONDS = 0.05


async def run_rollouts(parts: Parts) -> None:
    """Keep every open rollout going until cancelled."""

    def images() -> dict[ImageId, Image]:
        return {image.id: image for image in parts.publication.catalogue.images}

    rollouts = Stepped(
        "rollouts", execute.has_work, lambda c, now: execute.step(c, parts.sign, images, now=now), GATHER_SECONDS
    )
    await keep_stepping(parts, rollouts)
