"""The few words that systemd wants to hear from a service (sd_notify(3)), without its library."""

import os
import socket


def tell(*words: str) -> None:
    """Tell the service manager, if there is one: `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=…`."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.connect(address)
        manager.send("\n".join(words).encode())


def watchdog_seconds() -> float | None:
    """Return how often the manager wants to hear `WATCHDOG=1`, with a margin of half; None if it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdigit() and int(microseconds) else None
