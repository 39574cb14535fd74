"""The OpenAPI document of the controller's HTTP API, read off the application."""

import msgspec

from bartizan_controller.api.application import application
from bartizan_controller.parts import Parts
from bartizan_controller.rollouts.routes import router as rollout_routes


def openapi() -> str:
    """Return the document (JSON, OpenAPI 3.1), as a text that is the same each time."""
    schema = application(_nothing_runs, more=(rollout_routes,)).openapi_schema.to_schema()
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=1).decode() + "\n"


def _nothing_runs() -> Parts:
    raise RuntimeError("this application only describes itself: nothing runs behind it")
