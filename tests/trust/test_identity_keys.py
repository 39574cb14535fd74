"""The gateway's own keys: made once, kept, and certified only under its own name."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bartizan.errors import BadSignature, Malformed, Stale, Unavailable
from bartizan.ids import SiteId
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.sealing import seal
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_controller.authority import Authority
from tests.trust.estate import DAY, NOW

SITE = SiteId("town-hall")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("ca"), "Test CA", NOW)


@pytest.fixture
def keys(tmp_path: Path) -> IdentityKeys:
    keys = IdentityKeys(tmp_path / "identity")
    keys.make_missing()
    return keys


def enrol(keys: IdentityKeys, authority: Authority, now: float = NOW) -> None:
    keys.install(authority.gateway(SITE, keys.csr(SITE), now), authority.ca_pem.decode(), SITE)


def test_keys_are_made_once(keys: IdentityKeys, tmp_path: Path) -> None:
    before = (keys.csr(SITE), keys.sealing_key())
    keys.make_missing()
    again = IdentityKeys(tmp_path / "identity")

    assert again.sealing_key() == before[1]
    assert x509.load_pem_x509_csr(again.csr(SITE).encode()).public_key() == (
        x509.load_pem_x509_csr(before[0].encode()).public_key()
    )


def test_keys_are_for_their_owner_only(keys: IdentityKeys) -> None:
    files = list(keys.tls_key_file.parent.iterdir())

    assert {file.name for file in files} == {"tls-key.pem", "sealing-key.pem"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_certificate_is_kept_with_its_authority(keys: IdentityKeys, authority: Authority) -> None:
    enrol(keys, authority)

    assert keys.ca_file.read_bytes() == authority.ca_pem
    certificate = x509.load_pem_x509_certificate(keys.certificate_file.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=town-hall"


def test_renewal_is_due_when_a_third_is_left_and_keeps_the_key(keys: IdentityKeys, authority: Authority) -> None:
    enrol(keys, authority)
    present = keys.certificate_file.read_text()

    assert not keys.is_renewal_due(NOW + 119 * DAY)
    assert keys.is_renewal_due(NOW + 120 * DAY)
    renewed = authority.renew_gateway(SITE, keys.csr(SITE), present, NOW + 120 * DAY)
    assert keys.renew(renewed, SITE) == NOW + 300 * DAY
    assert not keys.is_renewal_due(NOW + 120 * DAY)


def test_a_certificate_of_another_authority_key_or_site_is_refused(
    keys: IdentityKeys, authority: Authority, tmp_path: Path
) -> None:
    enrol(keys, authority)
    kept = keys.certificate_file.read_bytes()
    other_keys = IdentityKeys(tmp_path / "other")
    other_keys.make_missing()
    impostor = Authority.found(tmp_path / "impostor", "Test CA", NOW)

    for certificate in (
        impostor.gateway(SITE, keys.csr(SITE), NOW),
        authority.gateway(SITE, other_keys.csr(SITE), NOW),
        authority.gateway(SiteId("library"), keys.csr(SITE), NOW),
    ):
        with pytest.raises(BadSignature):
            keys.renew(certificate, SITE)
    with pytest.raises(Malformed):
        keys.renew("rubbish", SITE)
    assert keys.certificate_file.read_bytes() == kept


def test_credentials_sealed_to_this_gateway_open_here(keys: IdentityKeys) -> None:
    book = CredentialBook(generation=2, makers={"axis": Credential("root", "pass")})
    sealed = seal(book, SITE, keys.sealing_key())

    assert keys.open_credentials(sealed, SITE, held_generation=1) == book
    with pytest.raises(Stale):
        keys.open_credentials(sealed, SITE, held_generation=3)


def test_missing_keys_are_named(tmp_path: Path) -> None:
    keys = IdentityKeys(tmp_path)

    with pytest.raises(Unavailable, match=r"tls-key\.pem"):
        keys.csr(SITE)
    with pytest.raises(Unavailable, match=r"sealing-key\.pem"):
        keys.sealing_key()
    with pytest.raises(Unavailable, match="enrolled"):
        keys.is_renewal_due(NOW)


def test_a_damaged_key_is_named(keys: IdentityKeys) -> None:
    keys.tls_key_file.write_bytes(keys.tls_key_file.read_bytes()[:80])

    with pytest.raises(Malformed, match=r"tls-key\.pem"):
        keys.csr(SITE)


def test_keys_in_each_others_place_are_refused(keys: IdentityKeys) -> None:
    tls, sealing = keys.tls_key_file, keys.tls_key_file.with_name("sealing-key.pem")
    first, second = tls.read_bytes(), sealing.read_bytes()
    tls.write_bytes(second)
    sealing.write_bytes(first)

    with pytest.raises(Malformed):
        keys.csr(SITE)
    with pytest.raises(Malformed):
        keys.sealing_key()


def test_the_key_is_one_that_openssl_takes(keys: IdentityKeys) -> None:
    key = load_pem_private_key(keys.tls_key_file.read_bytes(), None)

    assert getattr(key, "key_size", 0) == 256
