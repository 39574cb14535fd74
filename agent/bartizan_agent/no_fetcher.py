"""Keeps urllib3 out of the process: python-tuf imports a fetcher made with it, and the agent never uses that one.

That is 2 MB for as long as the agent runs, and HTTP that nothing here may speak.
"""

import sys
from types import ModuleType

_MODULE = "tuf.ngclient.urllib3_fetcher"


class Urllib3Fetcher:
    """In the place of python-tuf's own, which it makes where it is given none."""

    def __init__(self, *_: object, **__: object) -> None:
        """Refuse.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("the agent's TUF client fetches nothing by itself: give it a fetcher")


def stand_in() -> None:
    """Have python-tuf, if it was not imported yet, take what is here for its fetcher."""
    module = ModuleType(_MODULE)
    module.__dict__[Urllib3Fetcher.__name__] = Urllib3Fetcher
    sys.modules.setdefault(_MODULE, module)
