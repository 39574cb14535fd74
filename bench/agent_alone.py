"""An environment that holds what an installation of the agent alone brings, and nothing else of the checkout's.

Some libraries import more where more is installed; what is measured is what a gateway has. That includes compiled
modules, which the agent's package makes when it is installed: compiling at every start costs time and much memory.
Python's own options are those of the agent's unit.
"""

import compileall
import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path, PurePath

CHECKOUT = Path(__file__).parents[1]
_COMPILED = "__pycache__"
_OURS = (CHECKOUT / "bartizan", CHECKOUT / "agent" / "bartizan_agent")


UNIT = CHECKOUT / "deploy" / "agent" / "bartizan-agent.service"
_START = "ExecStart="
_ITS_CACHE = "/opt/bartizan/compiled"
_ITS_PROGRAM = "/opt/bartizan/bin/bartizan-agent"
_WRITING = {"PYTHONDONTWRITEBYTECODE": ""}


def installed(folder: Path) -> dict[str, str]:
    """Do as `environment` does, and compile as the package's postinst does; for `python(folder)`."""
    variables = environment(folder)
    subprocess.run(
        [*python(folder), "-m", "bartizan_agent.settled"],
        env=os.environ | variables | _WRITING,
        timeout=120,
        check=True,
    )
    return variables


def agent(folder: Path) -> tuple[str, ...]:
    """Return the agent as its unit starts it, without its own options and command."""
    return *python(folder), str(folder / "bartizan_agent" / "__main__.py")


def python(folder: Path) -> tuple[str, ...]:
    """Return Python with the options of the agent's unit, for what is in a folder; its cache is there, too."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    words = shlex.split(next(line.removeprefix(_START) for line in lines if line.startswith(_START)))
    options = [word.replace(_ITS_CACHE, str(folder / "compiled")) for word in words[1 : words.index(_ITS_PROGRAM)]]
    # Isolated, it would not look for packages where an environment's variable says.
    return sys.executable, "-S", *(option for option in options if option != "-I")


def environment(folder: Path) -> dict[str, str]:
    """Fill an empty folder with our packages and links to those of `agent/dependencies.txt`; for `python -S`."""
    for package in _OURS:  # as copies, for a checkout's may have no compiled form, or be changed meanwhile
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns(_COMPILED))
        compileall.compile_dir(folder / package.name, quiet=1)
    lines = (CHECKOUT / "agent" / "dependencies.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line and not line.startswith("#")]
    for package in {package for name in names for package in _packages(name)}:
        (folder / package.name).symlink_to(package)
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


def _packages(name: str) -> set[Path]:
    """Return what a distribution has in the folder of all packages; for a module, that of compiled forms as well.

    An installer that compiles nothing does not list that one.
    """
    found = distribution(name)
    tops = {PurePath(file).parts[0] for file in found.files or ()} - {".."}
    compiled = {_COMPILED} if any(top.endswith(".py") for top in tops) else set()
    return {Path(str(found.locate_file(top))) for top in tops | compiled}
