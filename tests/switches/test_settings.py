"""What is wrong with a managed switch's entry or secret is said in one line, before anything is done with it."""

import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from bartizan_agent.errors import BadSettings
from bartizan_agent.settings import parse, render
from bartizan_agent.switches.client import Session
from bartizan_agent.switches.settings import Secret, SnmpVersion, SwitchSettings, read_secret
from tests.switches.conftest import settings

FILE = """
site = "school"
[controller]
broker_host = "controller"
images_url = "https://controller"
[[segments]]
interface = "cam0"
[[switches]]
name = "sw1"
address = "10.191.0.2"
secret_file = "/etc/bartizan/sw1.toml"
"""
SECRET = 'user = "bartizan"\nauthentication = "authentication-passphrase"\nprivacy = "privacy-passphrase"\n'


def test_a_rendered_switch_is_read_back() -> None:
    found = parse(f"{FILE}vlans = [666, 667]\nshutdown_from = 'quarantine'\n", source="here")

    assert parse(render(found), source="there") == found
    assert [comment for comment in render(found).splitlines() if comment.startswith("# Isolation VLANs")]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("", "has no vlans and never shuts a port down"),
        ("vlans = [1]", "Expected `int` >= 2"),
        ("vlans = [4095]", "Expected `int` <= 4094"),
        ("vlans = [666, 666]", "names an isolation VLAN twice"),
        ("vlans = [666]\nauthentication = 'md5'", "Invalid enum value 'md5'"),
        ("vlans = [666]\nencryption = 'des'", "Invalid enum value 'des'"),
        ("vlans = [666]\nsnmp = 'v1'", "Invalid enum value 'v1'"),
        ("vlans = [666]\nvlan_from = 'watch'", "Invalid enum value 'watch'"),
        ("vlans = [666]\ncommunity = 'public'", "unknown field `community`"),
        (
            "vlans = [666]\n[[switches]]\nname='sw1'\naddress='10.0.0.1'\nsecret_file=''\nvlans=[2]",
            "name stands in two",
        ),
    ],
)
def test_an_impossible_switch_is_refused(entry: str, words: str) -> None:
    with pytest.raises(BadSettings) as refused:
        parse(f"{FILE}{entry}\n", source="here")

    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (SECRET, 0o640, "can be read by others"),
        ("user = ", 0o600, "is not as it should be"),
        ('user = "u"\npassword = "x"', 0o600, "unknown field `password`"),
        ('user = "u"\nauthentication = "short"\n', 0o600, "lacks authentication (8 characters or more) and privacy"),
        ('community = "public"', 0o600, "lacks user and authentication"),
    ],
)
def test_a_secret_that_is_none_is_refused(text: str, mode: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        read_secret(kept(tmp_path, text, mode))

    assert words in str(refused.value)


def test_a_secret_is_read_and_never_shown(tmp_path: Path) -> None:
    secret = read_secret(kept(tmp_path, SECRET, 0o600))

    assert secret == msgspec.convert(tomllib.loads(SECRET), Secret)
    assert "passphrase" not in repr(secret)


def test_a_community_string_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    switch = kept(tmp_path, 'community = "lab-only"', 0o600)

    found = read_secret(msgspec.structs.replace(switch, snmp=SnmpVersion.V2C_IN_THE_CLEAR))

    assert found == Secret(community="lab-only")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pysnmp" or name.endswith("pysnmp_names")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pysnmp", None)
    monkeypatch.delattr("bartizan_agent.switches.pysnmp_names", raising=False)

    with pytest.raises(BadSettings, match=r"install bartizan-agent\[snmp\]"):
        Session(settings(), Secret())


def kept(folder: Path, text: str, mode: int) -> SwitchSettings:
    """A switch whose secret file holds this."""
    file = folder / "sw1.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return settings(secret_file=str(file))
