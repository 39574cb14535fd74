"""Talking to nftables: through libnftables in this process, or through the `nft` program where there is no library.

Transactions are nft text, listings are nft's JSON (libnftables-json(5)). Either runs whole or not at all.
"""

import ctypes
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from bartizan.containment.render import Difference
from bartizan_agent.firewall import FirewallRefused
from bartizan_agent.nftables.batch import Batches

PROGRAM_SECONDS = 20.0

_LIBRARY = "libnftables.so.1"
# enum in nftables/libnftables.h: JSON, and protocols as numbers whatever /etc/protocols says.
_OUTPUT_JSON = 1 << 4
_OUTPUT_NUMERIC_PROTOCOL = 1 << 7
_OUTPUT_TERSE = 1 << 11
_OUTPUT = _OUTPUT_JSON | _OUTPUT_NUMERIC_PROTOCOL

Object = dict[str, Any]
"""One object of a listing, under its kind: `{"rule": {…}}`."""


class Nft(Protocol):
    """What the enforcer asks of nftables."""

    def transact(self, text: str) -> None:
        """Carry out a transaction.

        Raises:
            FirewallRefused: It was refused, and nothing of it was done.
        """

    def exchange(self, change: Difference, generation: int) -> bool:
        """Carry out a difference in the shortest time if the ruleset is of this generation; return whether it was done.

        Where it was not, nothing was, and the reason may be any: `transact` will tell.
        """

    def listing(self, command: str) -> list[Object]:
        """Return what a `list` command gives.

        Raises:
            FirewallRefused: There is no such thing.
        """

    def table(self, family: str, name: str) -> Iterable[Object]:
        """Return what a table holds; nothing where there is no such table.

        Raises:
            FirewallRefused: It cannot be read, or a set was taken away meanwhile.
        """

    def close(self) -> None:
        """Let go of the kernel."""


def open_nft() -> Nft:
    """Return the library if this system has it, or else the program, for the network namespace of this thread."""
    try:
        return Library(ctypes.CDLL(_LIBRARY))
    except OSError:
        return Program()


class Library:
    """libnftables by ctypes. It keeps its socket, and with it the network namespace it was made in.

    The context is kept while the process lives: closing one that changed the ruleset waits 8 to 20 ms for the kernel.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_new.restype = ctypes.c_void_p
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._batches = Batches()
        self._context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_output_set_flags(self._context, _OUTPUT)

    def transact(self, text: str) -> None:
        """Carry out a transaction."""
        self._run(text)

    def exchange(self, change: Difference, generation: int) -> bool:
        """Carry out a difference past the library, which would ask for all sets first."""
        return self._batches.carry_out(change, generation)

    def listing(self, command: str) -> list[Object]:
        """Return what a `list` command gives."""
        printed = self._run(command)
        self._forget()
        return _objects(printed)

    def table(self, family: str, name: str) -> Iterator[Object]:
        """Return what a table holds, its elements one set after the other.

        The library holds what it lists several times over: a whole table of 1,000 devices makes 20 MB at once. Naming
        the table, or asking whether it is there, costs nearly as much: for that it fetches every element of all tables.
        """
        for entry in self._outline(f"list ruleset {family}"):
            kind, described = next(iter(entry.items()))
            if (described.get("name") if kind == "table" else described.get("table")) != name:
                continue
            if kind in ("set", "map"):
                yield from self.listing(f"list {kind} {family} {name} {described['name']}")
            else:
                yield entry

    def close(self) -> None:
        """Free the context."""
        self._batches.close()
        self._library.nft_ctx_free(self._context)

    def _outline(self, command: str) -> list[Object]:
        """Return what a `list` command gives, without the elements of sets that have a name."""
        self._library.nft_ctx_output_set_flags(self._context, _OUTPUT | _OUTPUT_TERSE)
        try:
            return self.listing(command)
        finally:
            self._library.nft_ctx_output_set_flags(self._context, _OUTPUT)

    def _forget(self) -> None:
        """Make the library drop the ruleset that it remembers, as it does when a command fails.

        Otherwise the next transaction frees it, and an urgent one would wait: 5 ms for 1,000 devices.
        """
        self._library.nft_run_cmd_from_buffer(self._context, b"!")
        self._library.nft_ctx_get_error_buffer(self._context)

    def _run(self, text: str) -> bytes:
        failed = self._library.nft_run_cmd_from_buffer(self._context, text.encode())
        printed: bytes = self._library.nft_ctx_get_output_buffer(self._context)
        # Reading the buffer also empties it.
        complaint: bytes = self._library.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise _refusal(complaint)
        return printed


class Program:
    """The `nft` program, one process for each call."""

    def transact(self, text: str) -> None:
        """Carry out a transaction."""
        _run_program("-f", "-", text=text)

    def exchange(self, change: Difference, generation: int) -> bool:  # noqa: ARG002 - the program cannot ask for it
        """Do nothing: the program knows no generations."""
        return False

    def listing(self, command: str) -> list[Object]:
        """Return what a `list` command gives."""
        return _objects(_run_program("--json", "--numeric-protocol", *command.split()))

    def table(self, family: str, name: str) -> list[Object]:
        """Return what a table holds."""
        tables = self.listing(f"list tables {family}")
        if not any(entry.get("table", {}).get("name") == name for entry in tables):
            return []
        return self.listing(f"list table {family} {name}")

    def close(self) -> None:
        """Do nothing: each call ends its process."""


def _run_program(*arguments: str, text: str = "") -> bytes:
    try:
        done = subprocess.run(
            ["nft", *arguments], input=text.encode(), capture_output=True, timeout=PROGRAM_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallRefused("the nft program cannot be run to its end: is the package nftables installed?") from error
    if done.returncode:
        raise _refusal(done.stderr)
    return done.stdout


def _refusal(complaint: bytes) -> FirewallRefused:
    words = " ".join(complaint.decode(errors="replace").split())
    return FirewallRefused(f"nftables refused: {words[:500] or 'it gave no reason'}")


def _objects(printed: bytes) -> list[Object]:
    listing: dict[str, list[Object]] = msgspec.json.decode(printed) if printed else {"nftables": []}
    return listing["nftables"]
