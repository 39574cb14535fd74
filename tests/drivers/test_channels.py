"""Recorders tell which cameras they record, and these are the devices of the site."""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.errors import Malformed
from bartizan.identity.model import Device, Identity, Kind, RecorderChannel
from bartizan.ids import Address, DeviceId, Mac, SiteId
from bartizan.trust.credentials import Credential
from bartizan.wire import codec, events
from bartizan_agent import app, camera_certificates, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.channels import Told, recorded
from bartizan_agent.drivers.contract import MOST_CHANNELS, Channel
from bartizan_agent.drivers.dahua import messages as dahua
from bartizan_agent.drivers.hikvision import messages as hikvision
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.knowledge import packaged
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.places import Places
from bartizan_agent.reads import Reads
from bartizan_agent.roster import Roster
from bartizan_agent.settings import ControllerSettings, Settings
from bartizan_agent.store import open_volatile
from bartizan_lab.cameras.registry import PASSWORD
from tests.drivers.exchange import lines
from tests.fakes.memory_firewall import MemoryFirewall
from tests.lab.cameras.standing import standing
from tests.updates.site import WallClock


def device(
    name: str, *addresses: str, serial: str = "", maker: str = "", kind: Kind = Kind.CAMERA, card: str = ""
) -> Device:
    places, macs = tuple(Address(place) for place in addresses), (Mac(card),) if card else ()
    return Device(DeviceId(name), Identity(maker=maker, serial=serial, kind=kind), "lo", macs, places)


def proxies(*channels: str) -> bytes:
    inside = "".join(f"<InputProxyChannel>{channel}</InputProxyChannel>" for channel in channels)
    return f'<InputProxyChannelList xmlns="urn:any">{inside}</InputProxyChannelList>'.encode()


def source(address: str, serial: str = "") -> str:
    more = f"<serialNumber>{serial}</serialNumber>" if serial else ""
    inside = f"<ipAddress>{address}</ipAddress>{more}"
    return f"<sourceInputPortDescriptor>{inside}</sourceInputPortDescriptor>"


def test_a_hikvision_recorder_names_its_cameras() -> None:
    body = proxies(f"<id>1</id>{source('10.9.0.11', 'S1')}", "<id>2</id>", f"<id>x</id>{source('10.9.0.13')}")

    assert hikvision.input_channels().decode(body) == (Channel(1, "10.9.0.11", "S1"), Channel(2, ""))
    assert hikvision.input_channels().decode(proxies()) == ()


def test_no_more_channels_are_believed_than_a_recorder_can_have() -> None:
    body = proxies(*(f"<id>{number}</id>" for number in range(1, 400)))

    assert len(hikvision.input_channels().decode(body)) == MOST_CHANNELS


def test_a_dahua_recorder_names_its_cameras_and_nothing_is_kept_of_their_logins() -> None:
    camera = "table.RemoteDevice.uuid:System_CONFIG_NETCAMERA_INFO_"
    body = lines(
        f"{camera}1.Address=10.9.0.12",
        f"{camera}0.Password=secret",
        f"{camera}0.Address=10.9.0.11",
        f"{camera}0.SerialNo=S1",
        f"{camera}0.Mac=3c:ef:8c:00:00:01",
        f"{camera}2.Address=10.9.0.13",
        f"{camera}2.Enable=false",
        f"{camera}99999.Address=10.9.0.14",
        "table.RemoteDevice.Other=1",
    )

    channels = dahua.remote_devices().decode(body)

    assert channels == (Channel(1, "10.9.0.11", "S1", "3c:ef:8c:00:00:01"), Channel(2, "10.9.0.12"))
    assert "secret" not in repr(channels)


def test_what_is_no_list_of_channels_is_malformed() -> None:
    with pytest.raises(Malformed):
        hikvision.input_channels().decode(b"<html>")
    assert dahua.remote_devices().decode(b"OK\r\n") == ()


def test_channels_are_tied_to_devices_by_serial_number_before_mac_before_address() -> None:
    devices = [
        device("a", "10.9.0.11", serial="s1"),
        device("b", "10.9.0.12"),
        device("c", "10.9.0.99", card="3c:ef:8c:00:00:03"),
    ]
    channels = [
        Channel(1, "10.9.0.99", "S1", "3C-EF-8C-00-00-03"),
        Channel(2, "10.9.0.12", "unknown", "ff:ff:ff:ff:ff:ff"),
        Channel(3, "192.168.254.3"),
        Channel(4, "192.168.254.3"),
        Channel(5, "not an address", mac="not a MAC"),
        Channel(6, "0.0.0.0"),
        Channel(7, "10.9.0.12", mac="3C-EF-8C-00-00-03"),
    ]

    found = recorded(channels, devices)

    assert [(each.number, each.camera, each.tied_by) for each in found.channels] == [
        (1, "a", "serial"),
        (2, "b", "address"),
        (3, "", ""),
        (4, "", ""),
        (5, "", ""),
        (6, "", ""),
        (7, "c", "MAC"),
    ]
    assert found.channels[4] == RecorderChannel(5)
    assert (found.cameras, found.strangers) == (("a", "b", "c"), ("192.168.254.3",))


@pytest.mark.parametrize(
    ("kind", "maker", "channels"),
    [
        ("hikvision-nvr", "hikvision", (Channel(1, "10.9.0.11"), Channel(2, "10.9.0.12"))),
        (
            "dahua",
            "dahua",
            (
                Channel(1, "10.9.0.11", "5A04B5FPAG00000", "3c:ef:8c:00:01:00"),
                Channel(2, "10.9.0.12", "5A04B5FPAG00001", "3c:ef:8c:00:01:01"),
            ),
        ),
        (
            "uniview-nvr",
            "uniview",
            (Channel(1, "10.9.0.11", "", "48:ea:63:00:01:01"), Channel(2, "10.9.0.12", "", "48:ea:63:00:01:02")),
        ),
        ("lineage-tvt", "tvt", (Channel(1, "10.9.0.11"), Channel(2, "10.9.0.12"))),
    ],
)
async def test_a_recorder_is_asked_for_its_channels_with_its_daily_read(
    kind: str, maker: str, channels: tuple[Channel, ...]
) -> None:
    tied: asyncio.Future[tuple[DeviceId, tuple[Channel, ...]]] = asyncio.get_running_loop().create_future()
    learned: list[DeviceId] = []
    connection = open_volatile((login_budget.SCHEMA, camera_certificates.SCHEMA))
    with closing(connection):
        async with standing(kind, channel_addresses=("10.9.0.11", "10.9.0.12")) as recorder:
            http = CameraHttp(LoginBudget(connection, lambda: 0.0), connection)
            reads = Reads(
                http.open,
                Told(lambda name, _: learned.append(name), lambda name, said: tied.set_result((name, said))),
                WallClock(),
            )
            known = device("r", recorder.network.address, maker=maker, kind=Kind.RECORDER)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(reads.run())
                reads.consider(readable(known))
                said = await asyncio.wait_for(asyncio.shield(tied), 30)
                running.cancel()

            assert recorder.camera.state.meddling == []
    assert said == (DeviceId("r"), channels)
    assert learned == [DeviceId("r")]


def readable(known: Device) -> Iterable[tuple[Device, Credential]]:
    return [(known, Credential("admin", PASSWORD))]


def test_what_a_recorder_records_is_told_once_until_it_changes(tmp_path: Path) -> None:
    settings = Settings(SiteId("school"), ControllerSettings("broker.example", "https://controller.example"), ())
    camera = Known(device("a", "10.9.0.11"))
    with closing(open_volatile(app.SCHEMAS)) as connection:
        recorder = Known(device("r", "10.9.0.2", kind=Kind.RECORDER))
        for known in (camera, recorder):
            connection.execute("INSERT INTO roster VALUES (?, ?)", (known.device.id, codec.encode(known)))
        parts = app.build(settings, Places(tmp_path), app.Opened(connection), MemoryFirewall())
        gateway = Gateway(parts)
        one, two = Channel(1, "10.9.0.11"), Channel(2, "192.168.254.3")
        for channels in ((one,), (one,), (one, two), (two, one), (one,)):
            gateway.cameras.tie(DeviceId("r"), channels)
        kept = Roster(connection, packaged, limit=9).device(DeviceId("r"))
        told = parts.outbox.head()

    assert told is not None
    assert kept is not None
    assert kept.channels == (RecorderChannel(1, "a", "address", "10.9.0.11"),)
    assert [(event.kind, event.device) for event in told.events] == [(events.RECORDER_CHANNELS, "r")] * 3
    assert [event.detail for event in told.events] == [
        {"cameras": "a", "strangers": ""},
        {"cameras": "a", "strangers": "192.168.254.3"},
        {"cameras": "a", "strangers": ""},
    ]
