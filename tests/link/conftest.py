"""The same folders as in `tests/controller`."""

from tests.controller.conftest import configured, template

__all__ = ["configured", "template"]
