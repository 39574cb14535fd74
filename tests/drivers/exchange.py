"""What a camera's answer means to a driver's request, without a camera."""

import pytest

from bartizan_agent.drivers.contract import Declined, Failure, Request, T


def declined(request: Request[T], body: bytes) -> Failure:
    """Return the failure that an answer of status 200 comes to."""
    with pytest.raises(Declined) as raised:
        request.decode(body)
    return raised.value.failure


def lines(*pairs: str) -> bytes:
    """Return an answer of `key=value` lines."""
    return "".join(f"{pair}\r\n" for pair in pairs).encode()
