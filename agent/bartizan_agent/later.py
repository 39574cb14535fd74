"""Modules that libraries import at their top and the long-lived agent has next to no use for.

Each is put off until something of it is first used: then it is there, as if it had been imported at once. The standard
library's own `LazyLoader` will not do: until Python 3.12, the second `import` of a module counts as its first use.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

PUT_OFF = (
    "bz2",  # of shutil, for archives
    "idna",  # of httpx, for host names that are not ASCII
    "lzma",  # of shutil, for archives
    "mimetypes",  # of httpx, for uploads of forms
)
_FOR_OLDER_PYTHONS = "typing_extensions"


class _Later(ModuleType):
    """A module that nobody has used yet."""

    def __getattr__(self, name: str) -> Any:
        """Become the module; called for what is not there yet."""
        spec = self.__spec__
        if spec is None or spec.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment] # the standard library's own way, in `LazyLoader`
        if spec.submodule_search_locations is not None:
            self.__path__ = spec.submodule_search_locations
        spec.loader.exec_module(self)
        return getattr(self, name)


def put_off() -> None:
    """Put off what was not imported yet. To be called before the libraries are."""
    for name in PUT_OFF:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            module = _Later(name)
            module.__dict__.update(
                __spec__=spec,
                __loader__=spec.loader,
                __package__=spec.parent,
                __file__=spec.origin,
                __cached__=spec.cached,
            )
            sys.modules[name] = module
    _import_msgspec_for_this_python()


def _import_msgspec_for_this_python() -> None:
    # It takes from typing_extensions, where that is installed, what every Python that we support has in `typing`.
    if "msgspec" in sys.modules or _FOR_OLDER_PYTHONS in sys.modules:
        return
    sys.modules[_FOR_OLDER_PYTHONS] = None  # type: ignore[assignment] # how an import is made to fail
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules[_FOR_OLDER_PYTHONS]
