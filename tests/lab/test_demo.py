"""What the demonstration measures with says no where the answer is no: its claims could come out otherwise."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.ids import SiteId
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.places import Places
from bartizan_lab.demo.burglar import Loot, rummage
from bartizan_lab.demo.stranger import REFUSED, knock
from tests.cli.people import PROGRAMS, Person, make_controller, serving

HALL = SiteId("town-hall")
PASSWORD = "a camera's own password"
CONNACK = bytes((0x20, 3, 0, 0, 0))


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator of a running controller that holds the sealed camera passwords of one gateway."""
    folder = tmp_path_factory.mktemp("demo") / "controller"
    make_controller(folder)
    with serving(folder) as somebody:
        somebody.do("site", "add", HALL, "--organisation", "county")
        enrol(somebody)
        passwords = folder.with_name("cameras.toml")
        passwords.write_text(f'[makers.hikvision]\nusername = "admin"\npassword = "{PASSWORD}"\n', encoding="utf-8")
        somebody.do("credentials", "set", HALL, str(passwords))
        yield somebody


def enrol(somebody: Person) -> None:
    gateway = somebody.folder.with_name("gateway")
    url = (somebody.folder / "api.url").read_text(encoding="utf-8").strip()
    token = somebody.do("site", "token", HALL).strip()
    where = (f"--state={gateway}", f"--config={gateway}.toml")
    agent = (PROGRAMS / "bartizan-agent", *where, "enrol", url, "--token", token, "--interface", "lo")
    subprocess.run(agent, check=True, capture_output=True, timeout=60)


@pytest.fixture
def keys(person: Person) -> IdentityKeys:
    """The gateway's own."""
    return IdentityKeys(Places(person.folder.with_name("gateway")).keys)


def test_the_broker_lets_in_who_has_a_certificate_of_its_authority(person: Person) -> None:
    told = (person.folder / "broker" / "mosquitto.conf").read_text(encoding="utf-8")
    listener = re.search(r"^listener (\d+) ", told, re.MULTILINE)
    assert listener

    answers = knock(person.folder, "127.0.0.1", int(listener[1]))

    assert (answers.nobody, answers.impostor) == (
        f"{REFUSED}tlsv13 alert certificate required",
        f"{REFUSED}tlsv1 alert unknown ca",
    )
    assert answers.controller == "TLSv1.3"
    assert answers.is_shut


def test_a_broker_that_asks_nobody_for_a_certificate_is_told_as_open(person: Person) -> None:
    with careless_broker(person.folder) as port:
        answers = knock(person.folder, "127.0.0.1", port)

    assert answers.nobody == "TLSv1.3"
    assert not answers.is_shut


def test_a_broker_that_is_away_has_refused_nobody(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not knock(person.folder, "127.0.0.1", port).is_shut


def test_only_the_gateway_opens_its_credentials(person: Person, keys: IdentityKeys) -> None:
    loot = rummage(person.folder, {HALL: keys}, PASSWORD)

    assert (loot.with_password, loot.opened, loot.opened_by_gateway) == ((), (), (HALL,))
    assert loot.files > 20
    assert loot.keys >= 5


def test_a_password_in_the_clear_and_a_key_that_opens_are_found(
    person: Person, keys: IdentityKeys, tmp_path: Path
) -> None:
    copy = tmp_path / "controller"
    shutil.copytree(person.folder, copy, ignore=shutil.ignore_patterns("*.sock"))
    careless = copy / "notes.txt"
    careless.write_text(f"the cameras: {PASSWORD}", encoding="utf-8")
    shutil.copy(Places(person.folder.with_name("gateway")).keys / "sealing-key.pem", copy / "keys")

    found: Loot = rummage(copy, {HALL: keys}, PASSWORD)

    assert found.with_password == (str(careless),)
    assert found.opened == (HALL,)


@contextlib.contextmanager
def careless_broker(controller: Path) -> Iterator[int]:
    """Answer three clients over TLS as a broker that welcomes everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(controller / "broker" / "broker.pem", controller / "broker" / "broker.key")

    def welcome(listening: socket.socket) -> None:
        for _ in range(3):
            plain, _peer = listening.accept()
            with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
                if secured.recv(1024):
                    secured.sendall(CONNACK)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        broker = threading.Thread(target=welcome, args=(listening,))
        broker.start()
        yield listening.getsockname()[1]
        broker.join(timeout=30)
