"""What the distributions ask for, they use: whatever is installed and unused is only there to be attacked."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {"bartizan": ".", "bartizan_agent": "agent", "bartizan_controller": "controller", "bartizan_lab": "lab"}
OWN = {"bartizan", "bartizan-agent", "bartizan-controller"}
# SQLAlchemy loads it when the configured address of the database names it.
BY_ADDRESS = {"psycopg"}
# Programs of others that must accept the emulated cameras: the tests import them.
FOR_TESTS = "clients"


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_every_dependency_is_imported(package: str) -> None:
    folder = ROOT / DISTRIBUTIONS[package]
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    asked = [*project["dependencies"], *(each for name in extras.keys() - {FOR_TESTS} for each in extras[name])]

    used = imported(sorted((folder / package).rglob("*.py")))
    assert {normal(Requirement(each).name) for each in asked} - used - OWN - BY_ADDRESS == set()


def imported(files: list[Path]) -> set[str]:
    """The distributions that hold what these modules import."""
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    roots = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    roots |= {node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    held_by = packages_distributions()
    return {normal(name) for root in roots for name in held_by.get(root, ())}


def normal(name: str) -> str:
    """One spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()
