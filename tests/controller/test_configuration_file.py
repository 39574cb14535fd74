"""`controller.toml`: what it says holds, and what it cannot mean is an error that names the place."""

from pathlib import Path

import pytest

from bartizan_controller.config import Config, Listen, load, parse_broker, parse_listen, render
from bartizan_controller.errors import SetUpWrong


def written(folder: Path, text: str) -> Path:
    path = folder / "controller.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_init_writes_is_read_back(tmp_path: Path) -> None:
    config = Config(hosts=("controller.example.gov.uk", "10.0.0.5"), listen="[::]:443")

    assert load(written(tmp_path, render(config))) == config


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "hosts"),
        ("hosts = []", "at least one"),
        ('hosts = ["a"]\nlisen = "0.0.0.0:1"', "lisen"),
        ('hosts = ["a"]\nlisten = "8443"', "ADDRESS:PORT"),
        ('hosts = ["a"]\nlisten = "0.0.0.0:99999"', "at most 65535"),
        ('hosts = ["a"]\nevents_days = -1', "events_days"),
        ('hosts = ["a"]\n[broker]\nurl = "mqtt://broker:1883"', "TLS is not optional"),
        ('hosts = ["a"]\n[broker_limits]\npackets = 1', "packets"),
        ("hosts = [", "controller.toml"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SetUpWrong, match=told):
        load(written(tmp_path, text))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SetUpWrong, match="bartizan-controller init"):
        load(tmp_path / "controller.toml")


def test_addresses_of_both_kinds() -> None:
    assert parse_listen("127.0.0.1:0") == Listen("127.0.0.1", 0)
    assert parse_listen("[::1]:8443") == Listen("::1", 8443)
    assert parse_broker("mqtts://broker.example") == Listen("broker.example", 8883)
