"""`bartizan-agent` installed alone: small, complete, and without anything of the controller."""

import re

import pytest

import bartizan
from bartizan_agent.drivers import DRIVERS
from tests.packaging.installation import ROOT, Installation

NOT_HERE = ("bartizan_controller", "bartizan_lab", "litestar", "sqlalchemy", "click", "uvicorn", "alembic")


@pytest.mark.parametrize("module", NOT_HERE)
def test_nothing_of_the_controller_comes_along(gateway: Installation, module: str) -> None:
    assert not gateway.can_import(module)


def test_it_brings_what_is_listed_and_nothing_more(gateway: Installation) -> None:
    """`agent/dependencies.txt` is reviewed: whatever runs as root on a gateway is named there."""
    text = (ROOT / "agent" / "dependencies.txt").read_text(encoding="utf-8")
    listed = {match[0] for line in text.splitlines() if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}

    assert gateway.distributions() - {"bartizan", "bartizan-agent"} == {normal(name) for name in listed}


def test_it_tells_its_version(gateway: Installation) -> None:
    done = gateway.run("bartizan-agent", "--version")

    assert done.returncode == 0, done.stderr
    assert bartizan.__version__ in done.stdout


@pytest.mark.parametrize("command", ["enrol", "run", "status", "explain", "scan", "contain", "release", "restore"])
def test_every_command_explains_itself(gateway: Installation, command: str) -> None:
    """Help comes without a controller, a configuration or root."""
    done = gateway.run("bartizan-agent", command, "--help")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: bartizan-agent {command}")


def test_a_scan_asks_where_to_look(gateway: Installation) -> None:
    """The packaged makers, advisories and drivers are found in an installation, not only in a checkout."""
    done = gateway.run("bartizan-agent", "scan")

    assert done.returncode == 2
    assert "Choose where to look" in done.stderr
    made = "from bartizan_agent.knowledge import packaged as k; print(len(k().makers), len(k().advisories))"
    makers, advisories = map(int, gateway.run("python", "-c", made).stdout.split())
    assert makers >= 20
    assert advisories >= 60
    drivers = "from bartizan_agent.drivers import DRIVERS; print(*(driver.name for driver in DRIVERS))"
    assert gateway.run("python", "-c", drivers).stdout.split() == [driver.name for driver in DRIVERS]


def test_the_command_for_people_says_what_it_lacks(gateway: Installation) -> None:
    """A gateway has no use for it; who types it there learns how to get it."""
    done = gateway.run("bartizan", "status")

    assert done.returncode == 1
    assert "pip install 'bartizan[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
