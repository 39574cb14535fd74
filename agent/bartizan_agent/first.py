"""What must not wait until the agent is imported: where nothing is enforced, what was enforced last is again.

Mostly the boot unit has done that. It has not where somebody took the table away while no agent ran, or where that unit
failed. A child does it, so that nothing of it stays in memory; this imports next to nothing.
"""

import os
import sys

DEFAULT_STATE = "/var/lib/bartizan"
STATE_VARIABLE = "BARTIZAN_STATE"


def contain() -> None:
    """Load the stored ruleset if this process was started as the agent's unit does: to run, with nothing else said."""
    if sys.argv[1:] != ["run"]:
        return
    child = _fork()
    if child and os.WIFSIGNALED(status := os.waitpid(child, 0)[1]):
        _complain(f"signal {os.WTERMSIG(status)} ended the attempt")


def load(folder: str) -> str:
    """Load what was enforced last, unless a table of ours is there or containment is released by hand.

    Returns:
        The name of its file; empty if nothing was loaded.
    """
    import fcntl

    from bartizan_agent.nftables import restore

    if not os.path.exists(f"{folder}/{restore.CURRENT}"):  # noqa: PTH110 - pathlib alone would cost more than all this
        return ""
    lock = os.open(f"{folder}/{restore.LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return "" if restore.is_released(folder) or restore.is_enforcing() else restore.restore(folder)
    finally:
        os.close(lock)


def _fork() -> int:
    """Return the child's id, once it is one; 0 where there is no room for a child: the agent will see to it all."""
    try:
        child = os.fork()
    except OSError as error:
        _complain(error)
        return 0
    if not child:
        code = 1
        try:
            load(os.environ.get(STATE_VARIABLE, DEFAULT_STATE))
            code = 0
        except BaseException as error:  # noqa: BLE001 - whatever it is: the agent goes on, and somebody reads the journal
            _complain(error)
        finally:
            os._exit(code)
    return child


def _complain(why: object) -> None:
    os.write(2, f"bartizan-agent: what was enforced last could not be loaded: {why!s}\n".encode())
