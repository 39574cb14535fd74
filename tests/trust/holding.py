"""A gateway that holds a catalogue: what it is offered, and that it keeps what it held."""

import pytest

from bartizan.containment.level import Level
from bartizan.firmware.model import Grade
from bartizan.identity.fingerprints import Fingerprint, Where
from bartizan.policy.model import Policy
from bartizan_agent.catalogue import CatalogueClient
from tests.trust.estate import DAY, NOW, Estate, Forger, policy

LOOSE = policy(level=Level.WATCH, version=2)


def refuses(gateway: CatalogueClient, files: dict[str, bytes], error: type[Exception], *, now: float = NOW) -> None:
    """The bundle is refused, and the gateway still holds what it held, in memory and on disk."""
    held = gateway.catalogue
    with pytest.raises(error) as caught:
        gateway.update(files, now)
    assert type(caught.value) is error
    assert gateway.catalogue == held
    assert reopened(gateway).load() == held


def reopened(gateway: CatalogueClient) -> CatalogueClient:
    return CatalogueClient(gateway._folder)


def policies(gateway: CatalogueClient) -> tuple[Policy, ...]:
    assert gateway.catalogue is not None
    return gateway.catalogue.policies


def fingerprint(pattern: str) -> Fingerprint:
    return Fingerprint("one", Where.HTTP_SERVER, pattern, 60, Grade.PUBLISHED, "test", kind="printer")


def approved_target(estate: Estate, path: str, content: bytes) -> dict[str, bytes]:
    """A bundle in which two approvers signed for this content."""
    forger = Forger(estate.all_files())
    forger.put_target("policy", path, content, *estate.keys.approvers[:2])
    forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)
    return forger.files
