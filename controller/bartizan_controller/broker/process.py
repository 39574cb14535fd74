"""Runs mosquitto as a child: started again when it dies, stopped with the controller, never left behind.

The broker runs inside its own folder with relative file names, because as its own user it need not be able to reach
the folder by its path. `setpriv` (util-linux) gives it that user and asks the kernel to end it when the controller
dies; mosquitto's own change of user would undo the latter.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from bartizan.errors import Unavailable
from bartizan_controller.broker.configuration import CONFIGURATION_FILE
from bartizan_controller.durable import replace_file
from bartizan_controller.errors import SetUpWrong

USER = "mosquitto"
UID_MAP, GID_MAP = Path("/proc/self/uid_map"), Path("/proc/self/gid_map")
STOP_SECONDS = 10.0
RESTART_SECONDS = 0.2
RESTART_SECONDS_AT_MOST = 10.0
STEADY_SECONDS = 30.0
SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
RUNNING = " running"
"""How mosquitto ends the line that it writes once it listens."""
EXPECTED = "Warning: ACL pattern 'bz/1/all/"
"""It wonders at patterns that are the same for everybody; these are meant so."""

log = structlog.get_logger()


class Broker:
    """A mosquitto of one folder. `run` it in the composition root's TaskGroup."""

    def __init__(self, folder: Path, host: str, port: int, *, on_death: Callable[[], Awaitable[object]]) -> None:
        self._folder = folder
        self._host = host
        self._port = port
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        """Set while it listens."""

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it is down."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put configuration, keys and lists into the broker's folder, readable by its user only.

        Raises:
            SetUpWrong: The folder cannot be written.
        """
        owner = _owner()
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for name, content in files.items():
                replace_file(self._folder / name, content)
            if owner is not None:
                for path in (self._folder, *self._folder.iterdir()):
                    os.chown(path, owner.pw_uid, owner.pw_gid)
        except (OSError, Unavailable) as error:
            raise SetUpWrong(f"{self._folder} cannot be written: is the disk full, or another user's?") from error

    async def run(self) -> None:
        """Keep it running until cancelled; then stop it.

        Raises:
            SetUpWrong: mosquitto or setpriv is not installed, or the port is taken.
        """
        wait = RESTART_SECONDS
        _check_port(self._host, self._port)
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            code = await self._run_once()
            if loop.time() - started > STEADY_SECONDS:
                wait = RESTART_SECONDS
            log.error("the broker died; starting it again", code=code, seconds=wait)
            await self._on_death()
            await asyncio.sleep(wait)
            wait = min(wait * 2, RESTART_SECONDS_AT_MOST)

    def reload(self) -> None:
        """Have it read its access list and certificates again."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGHUP)

    async def _run_once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *_command(),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # an interrupt from the terminal is for the controller to handle
        )
        try:
            await self._pass_on(self._process.stderr)
            return await self._process.wait()
        finally:
            self.ready.clear()
            await _stop(self._process)

    async def _pass_on(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        async for octets in stream:
            line = octets.decode(errors="replace").rstrip()
            if line.endswith(RUNNING):
                self.ready.set()
            if line.startswith(EXPECTED):
                continue
            (log.warning if line.startswith(("Error", "Warning")) else log.debug)("mosquitto", line=line)


def _command() -> list[str]:
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    mosquitto, setpriv = shutil.which("mosquitto", path=path), shutil.which("setpriv", path=path)
    if mosquitto is None or setpriv is None:
        raise SetUpWrong(
            "mosquitto and setpriv are needed: install them (Debian: mosquitto, util-linux), or use --broker"
        )
    owner = _owner()
    as_user = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"] if owner else []
    return [setpriv, "--pdeathsig=TERM", *as_user, "--", mosquitto, "-c", CONFIGURATION_FILE]


def _owner() -> pwd.struct_passwd | None:
    """Return the broker's user if the controller may give its files away, and there is one."""
    if os.geteuid() != 0:
        return None
    for name in (USER, "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if _is_mapped(entry.pw_uid, UID_MAP) and _is_mapped(entry.pw_gid, GID_MAP):
                return entry
    return None


def _is_mapped(number: int, path: Path) -> bool:
    """Whether this user namespace knows a user or group; that of an ordinary user knows itself alone, as root."""
    rows = (map(int, line.split()) for line in path.read_text(encoding="ascii").splitlines())
    return any(first <= number < first + count for first, _, count in rows)


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetUpWrong(
                f"the broker cannot listen on {host}:{port}: stop what listens there, or choose with --mqtt-listen"
            ) from error


async def _stop(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
