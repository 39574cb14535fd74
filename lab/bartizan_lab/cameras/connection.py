"""The beginning and the end of a TCP connection, the same for every service of a device."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine


def begin(tasks: asyncio.TaskGroup, writer: asyncio.StreamWriter, conversation: Coroutine[None, None, None]) -> None:
    """Hold a conversation in a task of `tasks`. A device that goes down before its first word cuts the connection."""
    try:
        held = tasks.create_task(conversation)
    except RuntimeError:  # it is going down already
        conversation.close()
        writer.transport.abort()
    else:
        # A task that is cancelled before it ran has closed nothing; after any other end there is nothing to abort.
        held.add_done_callback(lambda _: writer.transport.abort())


def peer_of(writer: asyncio.StreamWriter) -> str:
    """Return the address of the other end; empty if it was gone before it could be asked for."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if peer else ""


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close the connection after the block; if the device goes down in its middle, what is unsent is lost."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
