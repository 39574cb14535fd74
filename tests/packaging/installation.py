"""Wheels built from this tree, and empty virtual environments that they are installed into."""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.side_by_side import in_the_machines_network

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SECONDS = 600.0


@dataclass(frozen=True)
class Wheel:
    """One built distribution."""

    file: Path

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """Its files by their name in the archive."""
        with zipfile.ZipFile(self.file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @property
    def metadata(self) -> list[str]:
        """The lines of its METADATA."""
        (name,) = (name for name in self.contents if name.endswith(".dist-info/METADATA"))
        return self.contents[name].decode().splitlines()


@dataclass(frozen=True)
class Installation:
    """A virtual environment with some wheels and what they depend on, and nothing else."""

    folder: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, outside the source tree and without this process's environment."""
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def can_import(self, module: str) -> bool:
        """Return whether a module is there and can be imported."""
        done = self.run("python", "-c", f"import {module}")
        assert done.returncode == 0 or "ModuleNotFoundError" in done.stderr, done.stderr
        return done.returncode == 0

    def distributions(self) -> set[str]:
        """The names of what is installed."""
        listed = _uv("pip", "list", "--format=freeze", "--python", str(self.folder / "bin" / "python"))
        return {line.partition("==")[0] for line in listed.splitlines() if line}


def build(folder: Path) -> dict[str, Wheel]:
    """Build every distribution of the tree into a folder; return the wheels by package name."""
    _uv("build", "--wheel", "--all-packages", "--no-create-gitignore", "--out-dir", str(folder))
    return {file.name.partition("-")[0]: Wheel(file) for file in folder.glob("*.whl")}


def install(folder: Path, *wheels: Wheel) -> Installation:
    """Make an environment with these wheels; their dependencies come as the project constrains them."""
    _uv("venv", "--quiet", "--python", sys.executable, str(folder))
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    python = ("--python", str(folder / "bin" / "python"))
    _uv("pip", "install", "--quiet", *python, *constraints, *(str(wheel.file) for wheel in wheels))
    return Installation(folder)


def _uv(*arguments: str) -> str:
    command = in_the_machines_network(str(UV), *arguments)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"uv {' '.join(arguments)}: {done.stderr}"
    return done.stdout
