"""A controller that was restored from an old backup: what gateways make of it, and how it gets them back."""

from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.errors import Stale
from bartizan.ids import PolicyId
from tests.trust.estate import NOW, Estate, policy


def test_gateways_keep_to_what_they_hold_until_the_restored_versions_have_passed_theirs(
    estate: Estate, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As the operating guide says: sign again until `bartizan status` names higher versions than the gateways hold."""
    gateway = estate.gateway()
    estate.publish_policy(policy("first"))
    restored = estate.copy(Path(tmp_path_factory.mktemp("backup")))
    estate.publish_policy(policy("second", level=Level.QUARANTINE))
    held = gateway.update(estate.all_files(), NOW).policies
    assert {each.id for each in held} == {PolicyId("first"), PolicyId("second")}

    with pytest.raises(Stale):
        gateway.update(restored.all_files(), NOW)
    restored.publish_policy(policy("third"))  # with the numbers of what the gateway holds, and another content
    assert gateway.update(restored.all_files(), NOW).policies == held

    restored.publish_policy(policy("third", version=2))
    after = gateway.update(restored.all_files(), NOW).policies
    assert {each.id for each in after} == {PolicyId("first"), PolicyId("third")}
