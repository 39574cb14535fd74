"""The certificate authority: who gets which name, and that OpenSSL, Python and mosquitto agree."""

import os
import pwd
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from paho.mqtt.enums import CallbackAPIVersion

from bartizan.errors import BadSignature, Malformed, Unavailable
from bartizan.ids import SiteId
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_controller.authority import CONTROLLER_NAME, Authority, Issued
from tests.trust.estate import DAY, NOW

SITE = SiteId("town-hall")
LIMIT_SECONDS = 10.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.found(tmp_path / "ca", "Test estate CA", NOW)


def csr(key: ec.EllipticCurvePrivateKey, name: str = "whoever") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    wish = builder.add_extension(x509.BasicConstraints(ca=True, path_length=9), critical=True)
    return wish.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class TestNames:
    def test_a_gateway_is_called_by_its_site_whatever_it_asks_for(self, authority: Authority) -> None:
        certificate = x509.load_pem_x509_certificate(authority.gateway(SITE, csr(new_key(), "root"), NOW).encode())

        assert certificate.subject.rfc4514_string() == "CN=town-hall"
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]

    def test_no_gateway_is_called_like_the_controller(self, authority: Authority) -> None:
        with pytest.raises(ValueError, match="no site may be called"):
            authority.gateway(SiteId(CONTROLLER_NAME), csr(new_key()), NOW)

    @pytest.mark.parametrize("site", ["", "Town Hall", "a/b", "a,CN=b", "x" * 65, "new\nline"])
    def test_only_proper_names_are_certified(self, authority: Authority, site: str) -> None:
        with pytest.raises(ValueError, match="not a name"):
            authority.gateway(SiteId(site), csr(new_key()), NOW)

    def test_a_server_is_reached_by_names_and_addresses(self, authority: Authority) -> None:
        issued = authority.server(["bartizan.example", "192.0.2.1", "2001:db8::1"], NOW)
        certificate = x509.load_pem_x509_certificate(issued.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

        assert names.get_values_for_type(x509.DNSName) == ["bartizan.example"]
        assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
        with pytest.raises(ValueError, match="host name"):
            authority.server([], NOW)


class TestRequests:
    def test_a_request_that_its_key_did_not_sign_is_refused(self, authority: Authority) -> None:
        request = x509.load_pem_x509_csr(csr(new_key()).encode())
        der = bytearray(request.public_bytes(Encoding.DER))
        der[-1] ^= 1
        pem = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")

        with pytest.raises((BadSignature, Malformed)):
            authority.gateway(SITE, pem, NOW)

    def test_a_request_that_another_key_signed_is_refused(self, authority: Authority) -> None:
        """The request names a key whose owner did not ask."""
        victim = x509.load_pem_x509_csr(csr(new_key()).encode()).public_bytes(Encoding.DER)
        thief = x509.load_pem_x509_csr(csr(new_key()).encode())
        spki = 91  # octets of a P-256 public key's SubjectPublicKeyInfo
        place = victim.index(bytes.fromhex("3059301306072a8648ce3d0201"))
        thief_der = thief.public_bytes(Encoding.DER)
        thief_place = thief_der.index(bytes.fromhex("3059301306072a8648ce3d0201"))
        forged = thief_der[:thief_place] + victim[place : place + spki] + thief_der[thief_place + spki :]
        pem = ssl.DER_cert_to_PEM_cert(forged).replace("CERTIFICATE", "CERTIFICATE REQUEST")

        with pytest.raises(BadSignature):
            authority.gateway(SITE, pem, NOW)

    def test_other_kinds_of_key_are_refused(self, authority: Authority) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        requests = [
            builder.sign(ed25519.Ed25519PrivateKey.generate(), None),
            builder.sign(ec.generate_private_key(ec.SECP384R1()), SHA256()),
        ]

        for request in requests:
            with pytest.raises(Malformed, match="P-256"):
                authority.gateway(SITE, request.public_bytes(Encoding.PEM).decode(), NOW)

    @pytest.mark.parametrize("pem", ["", "rubbish", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END", "x" * 20000])
    def test_rubbish_is_refused(self, authority: Authority, pem: str) -> None:
        with pytest.raises(Malformed):
            authority.gateway(SITE, pem, NOW)


class TestRenewal:
    def test_the_same_key_is_certified_again(self, authority: Authority) -> None:
        key = new_key()
        first = authority.gateway(SITE, csr(key), NOW)
        second = authority.renew_gateway(SITE, csr(key), first, NOW + 100 * DAY)

        assert x509.load_pem_x509_certificate(second.encode()).not_valid_after_utc.timestamp() == NOW + 280 * DAY

    def test_a_new_key_is_not(self, authority: Authority) -> None:
        first = authority.gateway(SITE, csr(new_key()), NOW)

        with pytest.raises(BadSignature, match="new enrolment"):
            authority.renew_gateway(SITE, csr(new_key()), first, NOW)

    def test_a_revoked_gateway_is_not(self, authority: Authority) -> None:
        key = new_key()
        first = authority.gateway(SITE, csr(key), NOW)
        authority.revoke(first, NOW)

        with pytest.raises(BadSignature, match="revoked"):
            authority.renew_gateway(SITE, csr(key), first, NOW)


class TestFiles:
    def test_the_authority_is_opened_again_with_its_revocations(self, authority: Authority, tmp_path: Path) -> None:
        certificate = authority.gateway(SITE, csr(new_key()), NOW)
        authority.revoke(certificate, NOW + 5)
        again = Authority(tmp_path / "ca")

        serial = x509.load_pem_x509_certificate(certificate.encode()).serial_number
        assert again.ca_pem == authority.ca_pem
        assert again.revoked() == {serial: NOW + 5}
        again.revoke(certificate, NOW + 60)
        assert again.revoked() == {serial: NOW + 5}

    def test_no_authority_is_overwritten(self, authority: Authority, tmp_path: Path) -> None:
        with pytest.raises(FileExistsError):
            Authority.found(tmp_path / "ca", "Another", NOW)
        assert Authority(tmp_path / "ca").ca_pem == authority.ca_pem

    def test_the_key_is_for_its_owner_only(self, authority: Authority) -> None:
        assert authority.ca_file.with_name("ca-key.pem").stat().st_mode & 0o777 == 0o600

    def test_damage_is_named(self, authority: Authority, tmp_path: Path) -> None:
        authority.crl_file.write_bytes(b"rubbish")
        with pytest.raises(Malformed, match=r"ca\.crl"):
            authority.revoked()
        (tmp_path / "ca" / "ca-key.pem").unlink()
        with pytest.raises(Unavailable, match=r"ca-key\.pem"):
            Authority(tmp_path / "ca")

    def test_another_authoritys_list_is_refused(self, authority: Authority, tmp_path: Path) -> None:
        other = Authority.found(tmp_path / "other", "Test estate CA", NOW)
        authority.crl_file.write_bytes(other.crl_file.read_bytes())

        with pytest.raises(Malformed, match="not by this authority"):
            authority.revoked()

    def test_another_authoritys_certificate_is_not_revoked_here(self, authority: Authority, tmp_path: Path) -> None:
        other = Authority.found(tmp_path / "other", "Test estate CA", NOW)

        with pytest.raises(BadSignature):
            authority.revoke(other.gateway(SITE, csr(new_key()), NOW), NOW)
        assert authority.revoked() == {}


class TestOthersAgree:
    """Certificates of this moment, because the other programs look at the machine's clock."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority.found(tmp_path / "ca", "Test estate CA", time.time())

    def test_openssl_verifies_strictly_and_honours_the_list(self, authority: Authority, tmp_path: Path) -> None:
        good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
        for file in (good, bad):
            file.write_text(authority.gateway(SITE, csr(new_key()), time.time()))
        authority.revoke(bad.read_text(), time.time())

        def verify(file: Path) -> bool:
            files = ["-CAfile", str(authority.ca_file), "-CRLfile", str(authority.crl_file)]
            command = ["openssl", "verify", "-x509_strict", "-crl_check", "-purpose", "sslclient", *files, str(file)]
            return subprocess.run(command, check=False, capture_output=True).returncode == 0

        assert verify(good)
        assert not verify(bad)

    def test_python_makes_mutual_tls_with_them(self, authority: Authority, tmp_path: Path) -> None:
        keys = enrolled(authority, tmp_path / "gateway")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load(server, authority.server(["localhost"], time.time()), tmp_path / "server")
        server.load_verify_locations(authority.ca_file)
        server.verify_mode = ssl.CERT_REQUIRED
        server.verify_flags |= ssl.VERIFY_X509_STRICT
        client = ssl.create_default_context(cafile=str(authority.ca_file))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        client.load_cert_chain(keys.certificate_file, keys.tls_key_file)

        assert (("commonName", "town-hall"),) in peer_seen_by_server(server, client)["subject"]

    def test_mosquitto_knows_gateways_by_their_site_and_refuses_the_revoked(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        good = enrolled(authority, tmp_path / "good")
        bad = enrolled(authority, tmp_path / "bad")
        authority.revoke(bad.certificate_file.read_text(), time.time())

        with broker(authority, tmp_path) as port:
            assert can_publish(port, authority, good, "site/town-hall")
            assert not can_publish(port, authority, good, "site/library")
            assert not can_connect(port, authority, bad)


def enrolled(authority: Authority, folder: Path) -> IdentityKeys:
    keys = IdentityKeys(folder)
    keys.make_missing()
    keys.install(authority.gateway(SITE, keys.csr(SITE), time.time()), authority.ca_pem.decode(), SITE)
    return keys


def load(context: ssl.SSLContext, issued: Issued, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "cert.pem").write_bytes(issued.certificate)
    (folder / "key.pem").write_bytes(issued.key)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")


def peer_seen_by_server(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """Make one connection over loopback and return the client's certificate as the server saw it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(LIMIT_SECONDS)
        seen: dict[str, Any] = {}

        def accept() -> None:
            connection, _ = listener.accept()
            with server.wrap_socket(connection, server_side=True) as secured:
                seen.update(secured.getpeercert() or {})
                secured.sendall(b"x")

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        with (
            socket.create_connection(listener.getsockname(), timeout=LIMIT_SECONDS) as plain,
            client.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.recv(1) == b"x"
        thread.join(LIMIT_SECONDS)
        return seen


@contextmanager
def broker(authority: Authority, folder: Path) -> Iterator[int]:
    """A mosquitto on loopback that takes the certificate's name for the user's, and reads the revocation list."""
    issued = authority.server(["localhost"], time.time())
    (folder / "cert.pem").write_bytes(issued.certificate)
    (folder / "key.pem").write_bytes(issued.key)
    (folder / "access").write_text("pattern write site/%u\n")
    with closing(socket.create_server(("127.0.0.1", 0))) as reserved:
        port = int(reserved.getsockname()[1])
    (folder / "mosquitto.conf").write_text(
        f"user {pwd.getpwuid(os.getuid()).pw_name}\nlistener {port} 127.0.0.1\nrequire_certificate true\n"
        f"use_identity_as_username true\ncafile {authority.ca_file}\ncrlfile {authority.crl_file}\n"
        f"certfile {folder / 'cert.pem'}\nkeyfile {folder / 'key.pem'}\nacl_file {folder / 'access'}\n"
    )
    process = subprocess.Popen(["mosquitto", "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "mosquitto did not start"
        else:
            return


def can_connect(port: int, authority: Authority, keys: IdentityKeys) -> bool:
    return talk(port, authority, keys, None)


def can_publish(port: int, authority: Authority, keys: IdentityKeys, topic: str) -> bool:
    return talk(port, authority, keys, topic)


def talk(port: int, authority: Authority, keys: IdentityKeys, topic: str | None) -> bool:
    """Connect with a gateway's certificate and publish, if there is a topic; return whether the broker allowed it."""
    answers: list[bool] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.tls_set(str(authority.ca_file), str(keys.certificate_file), str(keys.tls_key_file))

    def connected(*received: Any) -> None:
        code = received[3]
        if code.is_failure or topic is None:
            answers.append(not code.is_failure)
        else:
            client.publish(topic, b"x", qos=1)

    client.on_connect = connected
    client.on_publish = lambda *received: answers.append(not received[3].is_failure)
    client.on_disconnect = lambda *_: answers.append(False)
    try:
        client.connect("localhost", port)
        deadline = time.monotonic() + LIMIT_SECONDS
        while not answers and time.monotonic() < deadline:
            client.loop(timeout=0.1)
    except (ssl.SSLError, ConnectionError):
        return False
    finally:
        client.disconnect()
    return answers[0]
