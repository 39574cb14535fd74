"""What tests need to run side by side, workers of one run (`pytest -n 4`) and runs of several people on one machine.

Above all that is a network of its own for each process: fixed addresses, ports and multicast groups of one are nothing
to the others.
"""

import contextlib
import os

import pytest

from bartizan_lab import netns

LONG = ("tests/e2e/", "tests/packaging/")
"""Folders with the longest files: whoever begins with one of them last is waited for."""
_machines = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs some of the tests."""
    return hasattr(config, "workerinput")


def leads_workers(config: pytest.Config) -> bool:
    """Whether others run the tests for this process."""
    return bool(config.getoption("numprocesses", None)) and not is_worker(config)


def leave_the_machines_network(config: pytest.Config) -> None:
    """Give this process, and whatever it starts, an empty network with a loopback until pytest ends."""
    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    stack.enter_context(stack.enter_context(netns.Namespace("tests")).entered())


def in_the_machines_network(*arguments: str) -> list[str]:
    """Return the argument list that runs a program where this process began, which may reach a package index."""
    if not netns.may_make():
        return list(arguments)
    return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{_machines}", "--", *arguments]


def the_longest_first(items: list[pytest.Item]) -> None:
    """Sort by what takes long; files stay together, and in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
