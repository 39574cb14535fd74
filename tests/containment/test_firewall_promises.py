"""Promises of `Firewall` that the fake keeps as the kernel does, so that tests against the fake mean something."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import Segment
from bartizan.containment.render import digest
from bartizan.errors import Malformed
from bartizan_agent.firewall import Firewall, FirewallRefused
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_lab.netns import Namespace
from tests.containment.estate import estate, with_level
from tests.fakes.memory_firewall import MemoryFirewall

SITE = estate(3)


@pytest.fixture(params=["memory", pytest.param("kernel", marks=pytest.mark.netns)])
def firewall(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Firewall]:
    if request.param == "memory":
        yield MemoryFirewall()
        return
    with Namespace("gateway") as gateway, gateway.entered(), contextlib.closing(Nftables(tmp_path)) as kernel:
        yield kernel


def test_nothing_is_intact_before_anything_was_applied(firewall: Firewall) -> None:
    enforced = firewall.read()

    assert (enforced.intact, enforced.digest, enforced.devices) == (False, "", ())
    assert enforced.missing == ("nothing was applied since the agent started",)


def test_the_ruleset_last_applied_is_in_force(firewall: Firewall) -> None:
    raised = with_level(SITE, 1, Level.QUARANTINE)

    firewall.apply(SITE)
    firewall.apply(raised)
    firewall.apply(raised)

    enforced = firewall.read()
    assert (enforced.intact, enforced.digest, enforced.devices) == (True, digest(raised), raised.devices)


def test_what_is_refused_leaves_what_was_in_force(firewall: Firewall) -> None:
    firewall.apply(SITE)

    with pytest.raises(Malformed):
        firewall.apply(msgspec.structs.replace(SITE, segments=(Segment("cam*", Level.WATCH),)))

    assert firewall.read().digest == digest(SITE)


def test_removal_is_whole_and_may_be_repeated(firewall: Firewall) -> None:
    firewall.apply(SITE)

    firewall.remove_all()
    firewall.remove_all()

    assert (firewall.read().intact, firewall.read().digest) == (False, "")


def test_the_fake_can_refuse_and_can_be_flushed() -> None:
    fake = MemoryFirewall()
    fake.apply(SITE)
    fake.refuses = "no room"
    with pytest.raises(FirewallRefused, match="no room"):
        fake.apply(estate(1))
    assert fake.read().digest == digest(SITE)

    fake.enforced = None
    assert fake.read().missing == ("the table is gone",)
    fake.refuses = ""
    fake.apply(SITE)
    assert fake.read().intact
    assert fake.history == [SITE, SITE]
