"""Statements as auditors get them: verified up to the estate's authority, and nothing of them can be changed."""

import base64
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from bartizan.cli.root import bartizan
from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.containment.statement import Held, Part, Statement
from bartizan.errors import BadSignature, Malformed, Refused
from bartizan.ids import Address, DeviceId, Mac, SiteId
from bartizan.trust.statements import open_statement, seal

NOW = 1_790_000_000.0
HELD = Held(Level.ISOLATE, (Mac("02:00:00:00:00:01"),), (Address("10.9.0.11"),), ("10.9.0.2",))
STATED = Statement(
    1,
    SiteId("school"),
    DeviceId("serial:0001"),
    NOW - 200,
    NOW - 100,
    NOW,
    "0.1",
    (Part(NOW - 200, NOW - 150, HELD), Part(NOW - 150, NOW - 100, None, "the gateway was restarted")),
    (DropCounter(HELD.macs[0], Address("198.51.100.7"), "tcp", 443, 3, 180, NOW - 190, NOW - 160, "tcp SYN"),),
    3,
)


class Authority:
    """One that signs certificates of gateways."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self._name, self._key, NOW - 1e6, NOW + 1e6)

    def gateway(self, site: str, begins: float = NOW - 1e5, ends: float = NOW + 1e5) -> tuple[Any, tuple[str, ...]]:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site)]), key, begins, ends)
        return key, (pem.decode(), self.pem.decode())

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, begins: float, ends: float) -> bytes:
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        for set_, at in (
            (x509.CertificateBuilder.not_valid_before, begins),
            (x509.CertificateBuilder.not_valid_after, ends),
        ):
            builder = set_(builder, dt.datetime.fromtimestamp(at, dt.UTC))
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


AUTHORITY = Authority()
GATEWAY = AUTHORITY.gateway("school")
ENVELOPE = seal(STATED, *GATEWAY)


def test_a_genuine_one_is_opened() -> None:
    verified = open_statement(ENVELOPE, AUTHORITY.pem)

    assert verified.statement == STATED


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(ENVELOPE)
    payload = json.loads(base64.b64decode(document["payload"]))
    change(payload)
    document["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("envelope", "authority", "error"),
    [
        (ENVELOPE, Authority().pem, BadSignature),
        (changed(lambda payload: payload["parts"].pop()), AUTHORITY.pem, BadSignature),
        (changed(lambda payload: payload.update(site="other")), AUTHORITY.pem, BadSignature),
        (seal(STATED, GATEWAY[0], AUTHORITY.gateway("school")[1]), AUTHORITY.pem, BadSignature),
        (seal(STATED, *AUTHORITY.gateway("other")), AUTHORITY.pem, BadSignature),
        (seal(STATED, *AUTHORITY.gateway("school", ends=NOW - 1)), AUTHORITY.pem, BadSignature),
        (seal(STATED, *AUTHORITY.gateway("school", begins=NOW + 1)), AUTHORITY.pem, BadSignature),
        (seal(STATED, *Authority("authority").gateway("school")), AUTHORITY.pem, BadSignature),
        (seal(STATED, GATEWAY[0], ()), AUTHORITY.pem, Malformed),
        (seal(STATED, GATEWAY[0], ("nonsense",)), AUTHORITY.pem, Malformed),
        (seal(msgspec.structs.replace(STATED, format=2), *GATEWAY), AUTHORITY.pem, Malformed),
        (seal(msgspec.structs.replace(STATED, parts=STATED.parts[:1]), *GATEWAY), AUTHORITY.pem, Malformed),
        (seal(msgspec.structs.replace(STATED, parts=STATED.parts[::-1]), *GATEWAY), AUTHORITY.pem, Malformed),
        (seal(msgspec.structs.replace(STATED, parts=()), *GATEWAY), AUTHORITY.pem, Malformed),
        (ENVELOPE.replace(b"vnd.bartizan.statement", b"vnd.bartizan.something"), AUTHORITY.pem, Malformed),
        (b"{}", AUTHORITY.pem, Malformed),
        (ENVELOPE, b"", Malformed),
    ],
)
def test_nothing_else_is(envelope: bytes, authority: bytes, error: type[Refused]) -> None:
    with pytest.raises(error):
        open_statement(envelope, authority)


def test_a_stolen_key_lies_for_its_own_site_alone() -> None:
    """Until its certificate ends; nobody can tell its statements from before it was stolen from those after."""
    key, certificates = AUTHORITY.gateway("school")
    lie = msgspec.structs.replace(STATED, parts=(Part(NOW - 200, NOW - 100, HELD),))

    assert open_statement(seal(lie, key, certificates), AUTHORITY.pem).statement == lie
    with pytest.raises(BadSignature, match="speaks for 'hospital'"):
        open_statement(seal(msgspec.structs.replace(lie, site=SiteId("hospital")), key, certificates), AUTHORITY.pem)
    with pytest.raises(BadSignature, match="was not valid"):
        open_statement(seal(msgspec.structs.replace(lie, made_at=NOW + 2e5), key, certificates), AUTHORITY.pem)


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 255))
def test_no_octet_can_be_another(at: int, octet: int) -> None:
    """But those that say nothing: a key id, the authority's own certificate that comes along."""
    other = ENVELOPE[:at] + bytes([octet]) + ENVELOPE[at + 1 :]
    try:
        verified = open_statement(other, AUTHORITY.pem)
    except Refused:
        return
    assert verified.statement == STATED


@pytest.mark.parametrize(
    ("parts", "code", "said"),
    [
        ((Part(NOW - 200, NOW - 100, HELD),), 0, "PROVEN: all of the time"),
        (STATED.parts, 5, "NOT PROVEN: the gateway was restarted"),
        ((Part(NOW - 200, NOW - 100),), 5, "NOT HELD"),
    ],
)
def test_the_command_says_what_is_proven(tmp_path: Path, parts: tuple[Part, ...], code: int, said: str) -> None:
    file, ca = tmp_path / "statement.json", tmp_path / "ca.pem"
    file.write_bytes(seal(msgspec.structs.replace(STATED, parts=parts), *GATEWAY))
    ca.write_bytes(AUTHORITY.pem)

    done = CliRunner().invoke(bartizan, ["statement", "verify", str(file), "--ca", str(ca)])
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert "198.51.100.7 tcp 443  3 packets" in done.output


def test_the_command_says_that_one_is_not_genuine(tmp_path: Path) -> None:
    file, ca = tmp_path / "statement.json", tmp_path / "ca.pem"
    file.write_bytes(ENVELOPE)
    ca.write_bytes(Authority().pem)

    done = CliRunner().invoke(bartizan, ["statement", "verify", str(file), "--ca", str(ca), "--json"])
    assert done.exit_code == 1
    assert "NOT genuine" in json.loads(done.stdout)["error"]
    assert CliRunner().invoke(bartizan, ["statement", "verify", str(file), "--ca", "nowhere"]).exit_code == 2
