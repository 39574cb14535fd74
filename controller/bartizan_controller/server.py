"""Runs an ASGI application on a TLS port inside the controller's TaskGroup."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from litestar import Litestar

from bartizan_controller.config import Listen
from bartizan_controller.errors import SetUpWrong

BACKLOG = 1024
STOP_SECONDS = 5
HEADER_OCTETS = 64 * 1024


def bind(listen: Listen, *, option: str) -> socket.socket:
    """Return a socket that listens.

    Raises:
        SetUpWrong: The address is not this machine's, or the port is taken; `option` is how to choose another.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((listen.host, listen.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SetUpWrong(f"cannot listen on {listen}: stop what listens there, or choose with {option}") from error
    return listening


async def serve(application: Litestar, listening: socket.socket, context: ssl.SSLContext) -> None:
    """Serve until cancelled; then let running requests finish for a few seconds."""
    server = _Server(
        uvicorn.Config(
            application,
            ssl_context_factory=lambda _config, _default: context,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEADER_OCTETS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
        finally:
            listening.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the composition root."""
        yield


def reachable(host: str) -> str:
    """Return the address at which this machine itself reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
