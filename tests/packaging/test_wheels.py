"""What is inside the wheels: a package each, whole, and nothing of the machine that built it."""

import getpass
import subprocess
from pathlib import Path

import pytest

import bartizan
from tests.packaging.installation import ROOT, Wheel

FOLDERS = {"bartizan": "", "bartizan_agent": "agent", "bartizan_controller": "controller", "bartizan_lab": "lab"}
each_package = pytest.mark.parametrize("package", FOLDERS)


def test_there_are_four(wheels: dict[str, Wheel]) -> None:
    assert set(wheels) == set(FOLDERS)


@each_package
def test_a_wheel_holds_its_package_whole_and_no_other(wheels: dict[str, Wheel], package: str) -> None:
    """Every file that git keeps of the package, data included; no tests, no caches, no leftovers."""
    packed = {name for name in wheels[package].contents if ".dist-info/" not in name and ".data/" not in name}

    assert packed == tracked(ROOT / FOLDERS[package], package)


@each_package
def test_a_package_is_typed(wheels: dict[str, Wheel], package: str) -> None:
    """`py.typed` tells type checkers that the annotations count (PEP 561)."""
    assert f"{package}/py.typed" in wheels[package].contents


@each_package
def test_no_trace_of_the_building_machine(wheels: dict[str, Wheel], package: str) -> None:
    """A path of this machine in a wheel is either a leak or a bug that waits for another machine."""
    traces = {str(ROOT).encode(), str(Path.home()).encode() + b"/", b"@" + getpass.getuser().encode() + b"-"}

    assert not [name for name, data in wheels[package].contents.items() if any(trace in data for trace in traces)]


@pytest.mark.parametrize("package", [name for name in FOLDERS if name != "bartizan"])
def test_the_core_comes_in_the_same_version(wheels: dict[str, Wheel], package: str) -> None:
    """The wire's types are the core's: an agent on an older core would speak something else than it says."""
    major, minor, _ = bartizan.__version__.split(".")
    needs = [line for line in wheels[package].metadata if line.startswith("Requires-Dist: bartizan")]

    assert needs
    assert all(line.endswith(f"~={major}.{minor}.0") for line in needs if "extra ==" not in line)


@each_package
def test_the_licence_is_named(wheels: dict[str, Wheel], package: str) -> None:
    assert "License-Expression: Apache-2.0" in wheels[package].metadata


def test_the_agent_carries_what_its_drivers_know(wheels: dict[str, Wheel]) -> None:
    """Models per driver, and makers, fingerprints and advisories for a scan without a controller."""
    data = {name for name in wheels["bartizan_agent"].contents if name.endswith((".toml", ".json"))}

    assert data >= {
        "bartizan_agent/data/makers.json",
        "bartizan_agent/data/fingerprints.json",
        "bartizan_agent/data/advisories.json",
        *(f"bartizan_agent/drivers/{driver}/models.toml" for driver in ("axis", "dahua", "hikvision", "onvif")),
    }


def test_the_controller_carries_migrations_and_policies(wheels: dict[str, Wheel]) -> None:
    """Migrations make its database; makers and advisories its first catalogue; policies are for people to sign."""
    wheel = wheels["bartizan_controller"]
    shared = {name.partition("/data/share/bartizan/")[2] for name in wheel.contents if ".data/" in name}

    assert "bartizan_controller/store/migrations/versions/first_tables.py" in wheel.contents
    assert shared == tracked(ROOT, "policies")


def tracked(root: Path, folder: str) -> set[str]:
    """Files below `root`/`folder`, relative to `root`, that git keeps or would."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in listing.stdout.splitlines() if (root / name).exists()}
