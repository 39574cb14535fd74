"""`bartizan-agent record` on an enrolled gateway, against an emulated camera."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, SiteId
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.sealing import seal
from bartizan.wire import codec
from bartizan_agent import outbox, roster
from bartizan_agent.cli import main
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.recordings.model import Of, decode
from bartizan_agent.store import open_store
from bartizan_lab.cameras import Fault
from bartizan_lab.cameras.registry import PASSWORD
from tests.fakes.turns import held_by_another
from tests.lab.cameras.standing import Standing, standing

SITE = SiteId("school")
SETTINGS = """\
site = "school"
segments = [{interface = "lo"}]
[controller]
broker_host = "broker.example"
images_url = "https://controller.example"
"""


class Gateway:
    """The folders of a gateway that knows one camera."""

    def __init__(self, folder: Path, device: Standing, password: str = PASSWORD, maker: str = "dahua") -> None:
        self.folder = folder
        self.places = Places(folder / "state")
        (folder / "agent.toml").write_text(SETTINGS, encoding="utf-8")
        state = device.camera.state
        keys = IdentityKeys(self.places.keys)
        self.places.keys.mkdir(parents=True)
        keys.make_missing()
        book = CredentialBook(1, makers={"dahua": Credential(device.user, password)})
        self.places.credentials.write_bytes(codec.encode(seal(book, SITE, keys.sealing_key())))
        known = Known(
            Device(DeviceId("serial:1"), Identity(maker=maker), "lo", (state.mac,), (Address(device.network.address),))
        )
        with closing(open_store(self.places.store, (roster.SCHEMA, outbox.SCHEMA))) as store:
            store.execute("INSERT INTO roster VALUES (?, ?)", (known.device.id, codec.encode(known)))

    async def record(self, *arguments: str) -> int:
        options = ["--state", str(self.places.state), "--config", str(self.folder / "agent.toml")]
        return await asyncio.wait_for(asyncio.to_thread(main, [*options, "record", *arguments]), 60)

    def refusals(self) -> list[tuple[str, int]]:
        with closing(sqlite3.connect(self.places.store)) as store:
            return store.execute("SELECT camera, refusals FROM login_budget").fetchall()


async def test_a_camera_is_recorded_without_what_tells_it_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with standing("dahua") as device:
        gateway, state = Gateway(tmp_path, device), device.camera.state
        code = await gateway.record(device.network.address, "--emulator", "--json", "--out", str(tmp_path / "out.json"))

        assert state.meddling == []
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    recording = decode(text.encode())
    assert code == 0
    assert (recording.of, recording.driver, recording.state.model) == (Of.EMULATOR, "dahua", "IPC-HDW5831R-ZE")
    assert [told for told in (state.serial, state.mac, device.network.address, PASSWORD) if told in text] == []
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert (answer["driver"], answer["answers"]) == ("dahua", len(recording.exchanges))
    assert Path(answer["file"]) == tmp_path / "out.json"


async def test_a_refused_credential_counts_in_the_agents_own_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with standing("dahua") as device:
        gateway = Gateway(tmp_path, device, password="wrong")
        codes = [await gateway.record("serial:1", "--out", str(tmp_path / "out.json")) for _ in range(2)]

    assert codes == [1, 1]
    assert gateway.refusals() == [("serial:1", 1)]
    assert not (tmp_path / "out.json").exists()
    assert "give others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "maker", "fault", "said"),
    [
        ("serial:2", "dahua", None, "no device of this site"),
        ("serial:1", "nobody", None, "no driver speaks to nobody"),
        ("serial:1", "tvt", None, "has no credential here"),
        ("serial:1", "dahua", Fault.RUBBISH, "was not read"),
    ],
)
async def test_why_there_is_no_recording_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, maker: str, fault: Fault | None, said: str
) -> None:
    async with standing("dahua", faults={fault} if fault else set()) as device:
        gateway = Gateway(tmp_path, device, maker=maker)

        assert await gateway.record(name, "--out", str(tmp_path / "out.json")) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


async def test_nothing_is_said_to_a_camera_while_the_agent_speaks_to_it(tmp_path: Path) -> None:
    """The agent is another program, which has the camera's turn."""
    async with standing("dahua") as device:
        gateway = Gateway(tmp_path, device)
        async with held_by_another(gateway.places.turns, "serial:1") as agent, asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(gateway.record("serial:1", "--out", str(tmp_path / "out.json")))
            done, _ = await asyncio.wait({recording}, timeout=1.0)
            assert (done, device.camera.logins) == (set(), 0)
            agent.kill()
        assert recording.result() == 0
        assert device.camera.logins > 0
