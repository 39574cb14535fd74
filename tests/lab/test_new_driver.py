"""The skeleton of a driver works as it is, and is not accepted as it is."""

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import bartizan_agent.drivers
from bartizan_agent.drivers.contract import Tier
from bartizan_lab.new_driver import ROOT, main

NAME = "throw_away"
PACKAGE = f"bartizan_agent.drivers.{NAME}"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place in which a skeleton was made, and from which its modules are imported."""
    assert main([NAME, "--root", str(tmp_path)]) == 0
    drivers = str(tmp_path / "agent/bartizan_agent/drivers")
    monkeypatch.setattr(bartizan_agent.drivers, "__path__", [*bartizan_agent.drivers.__path__, drivers])
    yield tmp_path
    for module in [module for module in sys.modules if module.startswith(PACKAGE)]:
        del sys.modules[module]


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_driver_sees_and_its_own_tests_pass(checkout: Path) -> None:
    driver = importlib.import_module(f"{PACKAGE}.driver").ThrowAway()
    tests = loaded(checkout / "tests/drivers" / f"test_{NAME}.py")

    tests.test_who_it_is()
    tests.test_what_is_no_device_info_is_malformed(b"[]")
    assert (driver.name, driver.makers, driver.tier, driver.families) == (NAME, (NAME,), Tier.SEES, ())


def test_it_is_written_as_the_house_writes(checkout: Path) -> None:
    tool = [sys.executable, "-m", "ruff"]
    options = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(checkout / "agent")]

    # Which imports are the project's own cannot be told from outside a checkout, so their order is left aside.
    assert subprocess.run([*tool, "check", "--ignore", "I001", *options], check=False).returncode == 0
    assert subprocess.run([*tool, "format", "--check", *options], check=False).returncode == 0


def test_its_readme_has_the_headings_and_nothing_said_yet(checkout: Path) -> None:
    text = (checkout / "agent/bartizan_agent/drivers" / NAME / "README.md").read_text(encoding="utf-8")
    model = (ROOT / "agent/bartizan_agent/drivers/axis/README.md").read_text(encoding="utf-8")

    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        line for line in model.splitlines() if line.startswith("## ")
    ]
    assert text.count("Say here:") == text.count("\n## ") + 1


@pytest.mark.parametrize(
    ("name", "said"), [("axis", "there already"), ("Acme", "no name"), ("../x", "no name"), ("", "no name")]
)
def test_nothing_that_is_there_is_touched(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert said in capsys.readouterr().err
