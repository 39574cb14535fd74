"""Makes the skeleton of a driver: `make driver NAME=acme`. Never touches what is there already."""

import argparse
import re
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parents[2]
SKELETON = Path(__file__).parent / "driver_skeleton"
FILES = {
    "driver.py.txt": "agent/bartizan_agent/drivers/{name}/driver.py",
    "messages.py.txt": "agent/bartizan_agent/drivers/{name}/messages.py",
    "models.toml.txt": "agent/bartizan_agent/drivers/{name}/models.toml",
    "README.md.txt": "agent/bartizan_agent/drivers/{name}/README.md",
    "test.py.txt": "tests/drivers/test_{name}.py",
}
"""Template, and where what it gives belongs."""
IMPORTS = {
    "imports_of_driver": (
        "from bartizan_agent.drivers.{name} import messages",
        "from bartizan_agent.drivers.contract import CameraSession, CameraState, Driver, Failure, Tier",
        "from bartizan_agent.drivers.family import load_families",
    ),
    "imports_of_test": (
        "from bartizan_agent.drivers.{name} import messages",
        "from bartizan_agent.drivers.contract import CameraState",
    ),
}
"""In no order: that depends on the name."""
_NAME = re.compile(r"\A[a-z][a-z0-9_]{1,30}\Z")


def main(arguments: list[str] | None = None) -> int:
    """Write the skeleton and say what is left to do; return the program's exit status."""
    parser = argparse.ArgumentParser(prog="make driver", description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="the vendor, in small letters: the folder's name and the maker's identifier")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    name: str = given.name
    if not _NAME.match(name):
        sys.stderr.write(f"{name!r} is no name for a driver: use small letters and digits, as in NAME=acme\n")
        return 2
    folder = given.root / "agent/bartizan_agent/drivers" / name
    if folder.exists():
        sys.stderr.write(f"{folder} is there already\n")
        return 2
    for path in write(name, given.root):
        sys.stdout.write(f"wrote {path.relative_to(given.root)}\n")
    sys.stdout.write(_what_is_left(name))
    return 0


def write(name: str, root: Path) -> list[Path]:
    """Write the skeleton of a driver below a checkout; return its files."""
    written = []
    words = {"name": name, "title": _title(name)}
    for place, lines in IMPORTS.items():
        words[place] = "\n".join(sorted(line.format(name=name) for line in lines))
    for template, target in FILES.items():
        path = root / target.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template((SKELETON / template).read_text(encoding="utf-8")).substitute(words)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    package = written[0].with_name("__init__.py")
    package.write_text(f'"""{_title(name)} devices."""\n', encoding="utf-8")
    return [package, *written]


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _what_is_left(name: str) -> str:
    return f"""
Next, in agent/bartizan_agent/drivers/__init__.py:
  from bartizan_agent.drivers.{name}.driver import {_title(name)}
  ... and {_title(name)}() in DRIVERS, before Onvif().

Then docs/writing-a-driver.md, and the tests as they are now:
  .venv/bin/pytest tests/drivers/test_{name}.py
"""


if __name__ == "__main__":
    sys.exit(main())
