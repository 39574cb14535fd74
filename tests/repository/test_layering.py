"""Who may import whom: the contracts of pyproject.toml hold, and they name what they are meant to keep apart."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "3 kept, 0 broken" in done.stdout


def test_the_contracts_cover_every_distribution() -> None:
    """A contract that leaves a package out keeps nobody from anything."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    inward, apart, lab = settings["contracts"]

    assert set(settings["root_packages"]) == {"bartizan", "bartizan_agent", "bartizan_controller", "bartizan_lab"}
    assert set(inward["forbidden_modules"]) == {"bartizan_agent", "bartizan_controller", "bartizan_lab"}
    assert set(apart["modules"]) == {"bartizan_agent", "bartizan_controller"}
    assert set(lab["source_modules"]) == {"bartizan", "bartizan_agent", "bartizan_controller"}
