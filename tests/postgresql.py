"""A PostgreSQL server for tests: Debian's programs, a folder of its own, a Unix socket, no network.

Nothing is flushed to the disk: what a power cut leaves of it is of no use.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bartizan_controller.store import migrate

OWNER = "bartizan"
"""Who the controller is to the server: nobody special, as the guide says."""
PROGRAMS = Path("/usr/lib/postgresql")
START_SECONDS = 60.0
MEMORY = Path("/dev/shm")
MEMORY_OCTETS = 2**30
"""As much has to be free there: a database is some hundred files, and a disk takes half a second to copy them."""
_SUPERUSER = "postgres"
# Collates as no controller of ours expects, so that nothing depends on how a database was made.
_INITIALISE = (
    "--auth=trust --encoding=UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-GB --no-sync --no-instructions"
)
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
    "max_connections": "60",
}


class Cluster:
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._template = ""

    def url(self, name: str) -> str:
        """Return the address of a database, as the controller's configuration has it."""
        return f"postgresql+psycopg://{OWNER}@/{name}?host={self._folder}"

    def execute(self, statement: str, database: str = _SUPERUSER) -> None:
        """Execute a statement as somebody who may do everything."""
        place = f"host={self._folder} user={_SUPERUSER} dbname={database}"
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextlib.contextmanager
    def database(self, options: str = "") -> Iterator[str]:
        """Make a database for the block, empty unless `options` of CREATE DATABASE say otherwise; yield its address."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} {options}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def migrated(self) -> Iterator[str]:
        """Make a database with the tables of this version for the block; yield its address."""
        if not self._template:
            self.execute(f"CREATE DATABASE migrated OWNER {OWNER}")
            migrate.upgrade(self.url("migrated"))
            self._template = "migrated"
        with self.database(f"TEMPLATE {self._template} STRATEGY file_copy") as url:
            yield url


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server for the block."""
    with tempfile.TemporaryDirectory(prefix="bartizan-postgresql-", dir=_where()) as text:
        folder = Path(text)
        if _is_there(_server_user().pw_uid):
            shutil.chown(folder, _SUPERUSER)
        data = str(folder / "data")
        run_program("initdb", "--pgdata", data, "--username", _SUPERUSER, *_INITIALISE.split())
        with running(folder):
            made = Cluster(folder)
            made.execute(f"CREATE ROLE {OWNER} LOGIN")
            yield made


def run_program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end."""
    command = [_program(name), *arguments]
    done = subprocess.run(
        _unprivileged(*command) if name == "initdb" else command, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Let the server of a folder answer for the block. It dies with this process, even by SIGKILL."""
    settings = {**_SETTINGS, "unix_socket_directories": str(folder)}
    said = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    arguments = (_program("postgres"), "-D", str(folder / "data"), *said)
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(
            _unprivileged("setpriv", "--pdeathsig", "QUIT", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as server,
    ):
        try:
            _wait(folder, server)
            yield
        finally:
            server.send_signal(signal.SIGINT)


def _where() -> Path | None:
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_OCTETS
    return MEMORY if has_room else None


def _wait(folder: Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(f"host={folder} user={_SUPERUSER} dbname={_SUPERUSER}").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "log").read_text(errors="replace")) from None
            time.sleep(0.02)
        else:
            return


def _program(name: str) -> str:
    found = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError(f"there is no {name} in {PROGRAMS}: `make dev` installs the package postgresql")
    return str(found[-1])


def _unprivileged(*arguments: str) -> list[str]:
    """Return the argument list that runs a program as somebody else than root, which PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return list(arguments)
    user = _server_user()
    if _is_there(user.pw_uid):
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--", *arguments]
    # Of a user namespace's users often only root exists. One below it gives him the number of another.
    return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--", *arguments]


def _server_user() -> pwd.struct_passwd:
    return pwd.getpwnam(_SUPERUSER)


def _is_there(user: int) -> bool:
    """Return whether we are root, and that user exists in this user namespace."""
    lines = (line.split() for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines())
    return os.geteuid() == 0 and any(int(first) <= user < int(first) + int(count) for first, _, count in lines)
