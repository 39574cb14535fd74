"""`bartizan-controller` installed from wheels: it founds an estate without the source tree."""

from pathlib import Path

import pytest

import bartizan
from tests.packaging.installation import Installation


@pytest.mark.parametrize("module", ["bartizan_agent", "bartizan_lab"])
def test_nothing_of_the_agent_comes_along(central: Installation, module: str) -> None:
    assert not central.can_import(module)


@pytest.mark.parametrize("program", ["bartizan-controller", "bartizan"])
def test_it_tells_its_version(central: Installation, program: str) -> None:
    done = central.run(program, "--version")

    assert done.returncode == 0, done.stderr
    assert bartizan.__version__ in done.stdout


def test_an_estate_is_founded_from_what_was_installed(central: Installation, tmp_path: Path) -> None:
    """Migrations, makers and advisories are in the wheel: `init` needs nothing else."""
    folder = tmp_path / "controller"
    done = central.run("bartizan-controller", "init", str(folder), "--host", "127.0.0.1")

    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("catalogue:"))
    makers, advisories = int(line.split()[1]), int(line.split()[3])
    assert makers >= 20
    assert advisories >= 60
    assert (folder / "controller.toml").exists()
    assert (tmp_path / "controller-offline-keys").is_dir()


def test_policies_came_along_for_people_to_sign(central: Installation) -> None:
    """They lie in the environment's `share`, with their cases, and pass them as installed."""
    policies = central.folder / "share" / "bartizan" / "policies"
    done = central.run("bartizan", "policy", "test", *map(str, sorted(policies.glob("*-*.yaml"))))

    assert done.returncode == 0, done.stdout + done.stderr
