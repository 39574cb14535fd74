"""People with the `bartizan` command, and a real controller for them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

PROGRAMS = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
SECONDS = 180.0
"""For anything typed or started, on a machine where other tests run too."""


@dataclass(frozen=True)
class Person:
    """Somebody with the `bartizan` command and a profile of their own."""

    profile: Path
    folder: Path
    """The controller's, with its keys beside it."""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Type a command; return how it ended."""
        return subprocess.run(
            [PROGRAMS / "bartizan", *arguments],
            env={**os.environ, "BARTIZAN_PROFILE": str(self.profile)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def do(self, *arguments: str) -> str:
        """Type a command that has to succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *arguments: str) -> str:
        """Type a command of the controller's own machine, that has to succeed."""
        program = str(PROGRAMS / "bartizan-controller")
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=SECONDS, check=True).stdout

    def ask(self, *arguments: str) -> Any:
        """Type a command with `--json`."""
        return msgspec.json.decode(self.do(*arguments, "--json"))

    def key(self, number: int) -> tuple[str, str]:
        """The options that name an approver's key."""
        return "--key", f"{self.folder}-offline-keys/approver-{number}.pem"


def make_controller(folder: Path, *, database: str = "") -> None:
    """Make a controller, with its keys beside it."""
    program = str(PROGRAMS / "bartizan-controller")
    arguments = [program, "init", str(folder), "--host", "127.0.0.1", "--database", database]
    subprocess.run(arguments, check=True, capture_output=True, timeout=SECONDS)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Person]:
    """Run a controller, and return an administrator who has logged in."""
    program = str(PROGRAMS / "bartizan-controller")
    listen = [f"--{port}=127.0.0.1:0" for port in ("listen", "gateway-listen", "mqtt-listen")]
    with subprocess.Popen(
        [program, "serve", folder, *listen], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        try:
            somebody = Person(folder.with_name("profile.toml"), folder)
            log_in(somebody, process)
            yield somebody
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SECONDS)


def log_in(somebody: Person, serving: "subprocess.Popen[bytes]") -> None:
    url = somebody.folder / "api.url"
    until = time.monotonic() + SECONDS
    while not url.exists():
        assert serving.poll() is None, "the controller ended"
        assert time.monotonic() < until, "the controller did not come up"
        time.sleep(0.05)
    somebody.do(
        "login",
        url.read_text(encoding="utf-8").strip(),
        f"--token-file={somebody.folder}/admin.token",
        f"--ca={somebody.folder}/keys/ca.pem",
        f"--root={somebody.folder}/catalogue/metadata/1.root.json",
    )
