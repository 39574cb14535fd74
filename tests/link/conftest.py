"""The same folders as in `tests/controller`."""

from tests.controller.conftest import database, template

__all__ = ["database", "template"]
