"""Programs that the kernel runs on what a socket would hear, so that the rest wakes nobody (BPF, linux/filter.h)."""

import ctypes
import socket
import struct
from collections.abc import Iterable

Instruction = tuple[int, int, int, int]
"""`struct sock_filter`: code, jump if true, jump if false, operand. As `tcpdump -dd` writes them."""

JUMP_AT_MOST = 255
"""Instructions that one of them can skip."""
_INSTRUCTION = struct.Struct("=HBBI")
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h


def attach(sock: socket.socket, program: Iterable[Instruction]) -> None:
    """Let through to a socket what a program returns a length for.

    Raises:
        OSError: The kernel refuses the program.
    """
    code = b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code, len(code))
    pointer = struct.pack("HP", len(code) // _INSTRUCTION.size, ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)


def swapped(value: int, form: str) -> int:
    """Return what a program loads of a number that netlink writes: one in network order, the other in the machine's.

    Args:
        value: The number.
        form: Its size, as in `struct`: `H` or `I`.
    """
    return int.from_bytes(struct.pack(f"={form}", value), "big")
