"""`bartizan-agent scan`: stands alone, asks where to look, and prints what a person or a program can read."""

import argparse
import asyncio
import contextlib
import threading
from typing import Any

import msgspec
import pytest

from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, Mac
from bartizan_agent.cli import main, scan
from bartizan_agent.inventory import Known
from bartizan_agent.knowledge import packaged
from bartizan_lab.cameras import make


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    scan.add_parser(parser.add_subparsers())
    return parser.parse_args(["scan", *words])


@pytest.mark.netns
def test_a_segment_is_scanned_and_printed(segment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_beside_cameras(segment, "--interface", "cam0", "--explain") == 0

    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == [
        "ADDRESS", "MAC", "KIND", "MAKER", "BRAND", "MODEL", "FIRMWARE", "SURE", "OPEN", "TO"
    ]  # fmt: skip
    hikvision, dahua = (line for line in printed.out.splitlines()[1:] if not line.startswith("    "))
    assert hikvision.split()[:2] == ["10.9.0.20", "44:47:cc:00:00:01"]
    assert "hikvision" in hikvision
    assert "DS-2CD2143G2-I" in hikvision
    assert "V5.7.18 build 240826" in hikvision
    assert dahua.split()[:4] == ["10.9.0.21", "b4:4c:3b:00:00:01", "camera", "dahua"]
    assert "Intelbras" in dahua
    assert any(line.startswith("    ") and "SADP" in line for line in printed.out.splitlines())
    assert "2 devices in" in printed.err


@pytest.mark.netns
def test_the_same_as_json_with_its_evidence(segment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_beside_cameras(segment, "--interface", "cam0", "--network", "10.9.0.0/27", "--json") == 0

    (hikvision, dahua) = msgspec.json.decode(capsys.readouterr().out)["devices"]
    assert hikvision["identity"]["maker"] == "hikvision"
    assert hikvision["open_ports"] == [80, 8000]
    assert {
        "fact": "model",
        "source": "dhdiscover",
        "value": "VIP-3230-D",
        "weight": 80,
        "detail": "DeviceType",
    } in dahua["evidence"]


@pytest.mark.netns
def test_without_a_choice_of_interface_nothing_is_scanned(segment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with segment.gateway.entered():
        assert main(["scan"]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "bartizan-agent: Choose where to look:",
        "  --interface cam0              10.9.0.0/24",
    ]


@pytest.mark.netns
def test_a_network_alone_says_where_to_look(segment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It is asked for as plainly as by the name of the interface that is on it."""
    assert run_beside_cameras(segment, "--network", "10.9.0.0/28", "--network", "10.9.0.16/29", "--json") == 0

    found = msgspec.json.decode(capsys.readouterr().out)["devices"]
    assert {device["interface"] for device in found} == {"cam0"}
    assert "10.9.0.20" in {address for device in found for address in device["addresses"]}


@pytest.mark.netns
def test_a_network_that_no_interface_is_on_is_not_guessed_at(segment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with segment.gateway.entered():
        assert main(["scan", "--network", "10.9.0.0/28", "--network", "10.8.0.0/16"]) == 2

    assert capsys.readouterr().err.splitlines() == [
        "bartizan-agent: no interface is on 10.8.0.0/16",
        "Choose where to look:",
        "  --interface cam0              10.9.0.0/24",
    ]


@pytest.mark.netns
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--interface", "cam9"], "there is no interface 'cam9': choose one of cam0"),
        (["--interface", "cam0", "--network", "10.0.0.0/8"], "10.0.0.0/8 is not on the link of cam0"),
    ],
)
def test_what_cannot_be_scanned_is_said(
    segment: Any, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with segment.gateway.entered():
        assert main(["scan", *words]) == 1

    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--network", "nonsense"], ["--network", "fe80::/64"], ["--timeout", "0"], ["--timeout", "nan"]]
)
def test_impossible_arguments_are_usage_errors(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(*words)

    assert ended.value.code == 2


def test_the_packaged_data_is_there_and_is_read() -> None:
    knowledge = packaged()

    assert "hikvision" in {maker.id for maker in knowledge.makers}
    assert knowledge.fingerprints
    assert knowledge.advisories


def test_a_table_is_sorted_by_address_and_shows_what_is_unknown() -> None:
    known = [device("10.9.0.100"), device("10.9.0.20"), device("")]

    assert scan.as_table(known) == (
        "ADDRESS     MAC                KIND     MAKER    BRAND  MODEL  FIRMWARE  SURE  OPEN TO\n"
        "10.9.0.20   44:47:cc:00:00:01  unknown  unknown  -      -      -         -     -\n"
        "10.9.0.100  44:47:cc:00:00:01  unknown  unknown  -      -      -         -     -\n"
        "-           44:47:cc:00:00:01  unknown  unknown  -      -      -         -     -"
    )


def test_many_advisories_are_counted_not_listed() -> None:
    known = [device("10.9.0.20", vulnerabilities=tuple(f"CVE-2030-{n}" for n in range(5)))]

    assert scan.as_table(known).rstrip().endswith("CVE-2030-0, CVE-2030-1, CVE-2030-2, and 2 more")


def device(address: str, vulnerabilities: tuple[str, ...] = ()) -> Known:
    addresses = (Address(address),) if address else ()
    macs = (Mac("44:47:cc:00:00:01"),)
    name = DeviceId(f"mac:{address}")
    return Known(Device(name, Identity(), "cam0", macs, addresses, vulnerabilities=vulnerabilities))


def run_beside_cameras(segment: Any, *words: str) -> int:
    """Run the command while cameras answer; it has its own event loop, so they live in another thread."""
    cameras = [make("hikvision"), make("dahua-oem")]
    places = [(x, segment.plug_in(f"10.9.0.{20 + n}", x.state.mac)) for n, x in enumerate(cameras)]
    up, done = threading.Event(), threading.Event()

    async def live() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for camera, place in places:
                await stack.enter_async_context(camera.serve(place))
            up.set()
            await asyncio.to_thread(done.wait, 30)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert up.wait(10)
        with segment.gateway.entered():
            return scan.run(arguments(*words))
    finally:
        done.set()
        thread.join(10)
