"""The program itself: what it makes, what it refuses to do twice, and what it leaves behind when it is killed."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from bartizan.ids import SiteId
from bartizan.wire import topics
from bartizan.wire.down import EventsAck
from bartizan_controller.cli import main
from bartizan_controller.store import dialect
from bartizan_controller.store.database import Database
from bartizan_controller.store.tables import audit
from tests.controller.gateway import Gateway
from tests.controller.running import ORGANISATION, copy_of, until

POLICIES = Path(__file__).parents[2] / "policies"

ANYWHERE = ("--listen=127.0.0.1:0", "--gateway-listen=127.0.0.1:0", "--mqtt-listen=127.0.0.1:0")


def controller(*arguments: object) -> Result:
    """Run the command to its end, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


async def refused_to_serve(folder: Path, *options: str) -> str:
    """Return what the program says when it ends instead of serving."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bartizan_controller.cli", "serve", folder, *options, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        _, told = await process.communicate()
    assert process.returncode == 1
    return told.decode()


@contextlib.asynccontextmanager
async def serving(folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a controller until the test is done with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bartizan_controller.cli",
        "serve",
        folder,
        *(options or ANYWHERE),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until(lambda: (folder / "api.url").exists() or process.returncode is not None, seconds=20)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[None]:
    """Run a broker that is not the controller's, in a folder of its files."""
    give_to_mosquitto(folder)
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    process = await asyncio.create_subprocess_exec(program, "-c", "mosquitto.conf", cwd=folder)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def give_to_mosquitto(folder: Path) -> None:
    """Started as root, it becomes its own user before it reads its key."""
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "mosquitto")


def is_well(folder: Path) -> bool:
    """Ask the running controller whether all is well, its broker included."""
    return httpx.get(f"{api_url(folder)}/api/1/health", verify=trusting(folder), timeout=5).is_success


def api_url(folder: Path) -> str:
    return (folder / "api.url").read_text(encoding="ascii").strip()


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "keys/ca.pem"))


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listed.split()]


def is_running(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_init_makes_a_controller_and_prints_its_token_once(tmp_path: Path) -> None:
    folder, offline = tmp_path / "controller", tmp_path / "controller-offline-keys"
    made = controller("init", folder, "--host", "127.0.0.1", "--organisation", ORGANISATION)

    assert made.exit_code == 0
    makers = (POLICIES / "makers.yaml").read_text(encoding="utf-8").count("\n  - maker:")
    assert f"{makers} makers, " in made.stdout
    token = (folder / "admin.token").read_text(encoding="ascii").strip()
    assert made.stdout.count(token) == 1
    assert token.encode() not in (folder / "controller.db").read_bytes()
    assert "Take" in made.stderr
    people = {"root-1", "root-2", "targets-1", "targets-2", "approver-1", "approver-2", "approver-3"}
    assert {path.stem for path in offline.glob("*.pem")} == people
    secrets = [
        *offline.glob("*.pem"),
        *(folder / "keys").glob("*.pem"),
        folder / "admin.token",
        folder / "controller.db",
    ]
    assert {path.stat().st_mode & 0o077 for path in (*secrets, folder, offline)} == {0}
    assert not {path.name for path in offline.glob("*.pem")} & {path.name for path in folder.rglob("*")}


def test_init_tells_programs_the_same(tmp_path: Path) -> None:
    made = controller("init", tmp_path / "controller", "--json")

    answer = msgspec.json.decode(made.stdout)
    assert Path(answer["folder"]) == tmp_path / "controller"
    assert Path(answer["offline_keys"]) == tmp_path / "controller-offline-keys"
    assert answer["admin_token"] == Path(answer["admin_token_file"]).read_text(encoding="ascii").strip()
    assert "Take" in made.stderr


def test_init_overwrites_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("mine")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "makers.yaml").write_text("makers: nonsense")

    assert "not empty" in controller("init", tmp_path / "full").stderr
    assert "not empty" in controller("init", tmp_path / "new", "--offline-keys", tmp_path / "full").stderr
    assert controller("init", tmp_path / "new", "--data", tmp_path / "data").exit_code == 1
    assert controller("init", tmp_path / "new", "--organisation", "Not A Slug").exit_code == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data", "full", "makers.yaml", "precious"]


def test_a_folder_without_a_controller_says_how_to_make_one(tmp_path: Path) -> None:
    answer = controller("serve", tmp_path)

    assert (answer.exit_code, "bartizan-controller init" in answer.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


async def test_one_folder_is_served_once_and_looked_after_meanwhile(template: Path, tmp_path: Path) -> None:
    """A second start is refused; tokens are made through the running one, and without it as well."""
    folder = copy_of(template / "controller", tmp_path / "controller").root
    async with serving(folder):
        refused = await refused_to_serve(folder, *ANYWHERE)
        assert refused.strip() == f"Error: {folder} is in use by a running controller: stop it first"
        online = await asyncio.to_thread(controller, "enrolment-token", folder, "north", "--organisation", ORGANISATION)
        assert online.stdout.startswith("bz1.north.")
        soc = await asyncio.to_thread(controller, "token", "create", folder, "--name", "desk", "--role", "soc")
        assert soc.stdout.startswith("bzt_")
    assert controller("enrolment-token", folder, "north").stdout.startswith("bz1.north.")
    assert "there is no site 'south'" in controller("enrolment-token", folder, "south").stderr

    identifier = soc.stdout.split("_")[1]
    revoked = controller("token", "revoke", folder, identifier, "--json")
    assert msgspec.json.decode(revoked.stdout) == {"id": identifier, "revoked": True}
    assert controller("token", "revoke", folder, identifier).exit_code == 1
    assert f"{identifier}  revoked" in controller("token", "list", folder).stdout
    assert "entries, unbroken" in controller("audit", "verify", folder).stdout

    as_json = {("token", "list"): list, ("audit", "verify"): dict}
    for command, kind in as_json.items():
        assert msgspec.json.decode(controller(*command, folder, "--json").stdout, type=kind)
    issued = msgspec.json.decode(controller("enrolment-token", folder, "north", "--json").stdout)
    assert issued["token"].startswith("bz1.north.")


async def test_it_ends_when_asked_and_takes_the_broker_along(template: Path, tmp_path: Path) -> None:
    folder = copy_of(template / "controller", tmp_path / "controller").root
    async with serving(folder) as process:
        (broker,) = children(process.pid)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    assert not is_running(broker)
    assert not (folder / "api.url").exists()


async def test_a_killed_controller_leaves_no_broker_and_starts_again(template: Path, tmp_path: Path) -> None:
    """The kernel ends the broker; lock and address file do not stand in the way of the next start."""
    folder = copy_of(template / "controller", tmp_path / "controller").root
    async with serving(folder) as process:
        (broker,) = children(process.pid)
        process.kill()
        await until(lambda: not is_running(broker))
    (folder / "api.url").unlink()
    async with serving(folder) as process:
        assert process.returncode is None


@pytest.mark.parametrize("option", ["--listen", "--gateway-listen", "--mqtt-listen"])
async def test_a_port_in_use_is_told_with_the_option_that_changes_it(
    template: Path, tmp_path: Path, option: str
) -> None:
    folder = copy_of(template / "controller", tmp_path / "controller").root
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = [given for given in ANYWHERE if not given.startswith(f"{option}=")]
        told = await refused_to_serve(folder, *options, f"{option}={address}")

    assert address in told
    assert f"choose with {option}" in told


async def test_somebody_elses_broker_is_used_with_the_files_written_for_it(template: Path, tmp_path: Path) -> None:
    """A mosquitto that nobody of ours started lets controller and gateways in, by what `broker-files` wrote."""
    folder = copy_of(template / "controller", tmp_path / "controller").root
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = tmp_path / "broker"
    made = controller("broker-files", folder, files, "--host", "127.0.0.1", "--port", port, "--json")
    assert made.exit_code == 0, made.stderr
    answer = msgspec.json.decode(made.stdout)
    assert (answer["broker"], set(answer["files"])) == (f"mqtts://127.0.0.1:{port}", {x.name for x in files.iterdir()})
    assert {path.stat().st_mode & 0o077 for path in files.iterdir()} == {0}

    async with mosquitto(files), serving(folder, f"--broker=mqtts://127.0.0.1:{port}", *ANYWHERE[:2]) as process:
        assert children(process.pid) == []
        await until(lambda: is_well(folder), seconds=20)
        issued = await asyncio.to_thread(
            controller, "enrolment-token", folder, "north", "--organisation", ORGANISATION, "--json"
        )
        gateway = Gateway(SiteId("north"), tmp_path / "gateway")
        async with httpx.AsyncClient(base_url=f"{api_url(folder)}/api/1/", verify=trusting(folder)) as nobody:
            (await gateway.enrol(nobody, msgspec.json.decode(issued.stdout)["token"])).raise_for_status()
        assert gateway.enrolment is not None
        assert gateway.enrolment.mqtt_port == port
        async with gateway.connect() as line:
            await line.say(gateway.events(1, 3))
            assert await line.hear(EventsAck) == EventsAck(gateway.boot, 3)
            await line.shout(topics.ALL_ORDERS, b"open the doors")
            assert line.refused == ["Not authorized"]


def test_a_changed_audit_chain_is_found(template: Path, tmp_path: Path) -> None:
    folder = copy_of(template / "controller", tmp_path / "controller")
    with Database(dialect.sqlite_url(folder.database)) as database:
        database.change(lambda c: c.execute(update(audit).where(audit.c.number == 1).values(who="nobody")))
    answer = controller("audit", "verify", folder.root)

    assert (answer.exit_code, "entry 1 does not follow" in answer.stderr) == (1, True)


def test_help_is_there_for_every_command() -> None:
    for command in (
        (),
        ("init",),
        ("serve",),
        ("token",),
        ("token", "create"),
        ("enrolment-token",),
        ("audit", "verify"),
    ):
        answer = controller(*command, "--help")
        assert answer.exit_code == 0
        assert "Usage:" in answer.stdout
    assert controller("--version").stdout.startswith("bartizan-controller")
