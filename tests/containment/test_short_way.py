"""Changing what is in force by the difference alone: it says the same as the whole ruleset, and never half of it."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.containment.check import check
from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.containment.render import difference, differing, digest, marked, text_of
from bartizan.errors import Malformed
from bartizan.ids import Mac
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.nftables.tool import Library, Object, open_nft
from bartizan_lab.netns import Namespace
from tests.containment.estate import estate, with_level
from tests.containment.rulesets import rulesets

SITE = estate(4)


@st.composite
def successors(draw: st.DrawFn) -> tuple[Ruleset, Ruleset]:
    """Two rulesets, of which the second has some of the first one's devices, as objects, where the first has them."""
    before, after = draw(rulesets()), draw(rulesets())
    kept = draw(st.lists(st.booleans(), min_size=len(after.devices), max_size=len(after.devices)))
    devices = [
        before.devices[number] if keep and number < len(before.devices) else device
        for number, (device, keep) in enumerate(zip(after.devices, kept, strict=True))
    ]
    return before, msgspec.structs.replace(after, devices=tuple(devices))


@given(successors())
def test_what_two_rulesets_share_makes_no_difference_to_what_is_said_of_them(pair: tuple[Ruleset, Ruleset]) -> None:
    before, after = pair
    apart = msgspec.json.decode(msgspec.json.encode(after), type=Ruleset)

    first = marked(before)
    second = marked(after, first)

    assert second.digest == digest(apart)
    assert second.claims == marked(apart).claims | dict.fromkeys(second.claims.keys() - marked(apart).claims.keys(), 0)
    if first.digest != second.digest:
        assert text_of(differing(first, second)) == difference(before, apart)


def test_only_what_is_new_is_looked_at_and_all_that_is_new() -> None:
    check(SITE)
    odd = msgspec.structs.replace(SITE.devices[2], macs=(Mac("01:00:00:00:00:01"),))
    twin = msgspec.structs.replace(SITE.devices[2], id=SITE.devices[0].id)
    for other, says in ((odd, "no single device"), (twin, "more than once")):
        devices = (*SITE.devices[:2], other, *SITE.devices[3:])
        with pytest.raises(Malformed, match=says):
            check(msgspec.structs.replace(SITE, devices=devices), accepted=SITE)
    with pytest.raises(Malformed, match="no segment"):
        check(msgspec.structs.replace(SITE, segments=SITE.segments[:1]), accepted=SITE)


class Watched:
    """nftables that can be had only by the short way once the first table stands."""

    def __init__(self) -> None:
        self.inner = open_nft()
        assert isinstance(self.inner, Library)
        self.exchange = self.inner.exchange
        self.transactions = 0

    def transact(self, text: str) -> None:
        self.transactions += 1
        self.inner.transact(text)

    def listing(self, command: str) -> list[Object]:
        return self.inner.listing(command)

    def table(self, family: str, name: str) -> Iterable[Object]:
        return self.inner.table(family, name)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.netns
def test_the_kernel_holds_what_the_short_way_said(tmp_path: Path) -> None:
    with Namespace("gateway") as gateway, gateway.entered():
        nft = Watched()
        with contextlib.closing(Nftables(tmp_path, nft)) as firewall:
            firewall.apply(SITE)
            whole = nft.transactions

            @settings(max_examples=60, deadline=None)
            @given(rulesets())
            def change(other: Ruleset) -> None:
                # Intervals are not for the short way, so the estate's networks stay.
                after = msgspec.structs.replace(other, estate_networks=SITE.estate_networks)

                firewall.apply(after)

                enforced = firewall.read()
                assert (enforced.intact, enforced.digest, enforced.missing) == (True, digest(after), ())

            change()
            assert nft.transactions == whole


@pytest.mark.netns
def test_a_thousand_devices_are_raised_by_the_short_way(tmp_path: Path) -> None:
    with Namespace("gateway") as gateway, gateway.entered():
        nft = Watched()
        with contextlib.closing(Nftables(tmp_path, nft)) as firewall:
            firewall.apply(estate(1000, Level.WATCH))
            whole = nft.transactions

            firewall.apply(estate(1000, Level.QUARANTINE))

            assert nft.transactions == whole
            assert {device.level for device in firewall.read().devices} == {Level.QUARANTINE}


@pytest.mark.netns
def test_nothing_is_done_for_a_ruleset_that_somebody_changed_meanwhile() -> None:
    before, after = marked(SITE), marked(with_level(SITE, 0, Level.QUARANTINE))
    with Namespace("gateway") as gateway, gateway.entered():
        nft = open_nft()
        with contextlib.closing(Nftables(Path("/nowhere/that/can/be/written"), nft)) as firewall:
            firewall.apply(SITE)
            generation = firewall.verified_generation
            gateway.run("nft", "add table inet office")
            held = gateway.run("nft", "list", "ruleset")

            assert not nft.exchange(differing(before, after), generation)
            assert gateway.run("nft", "list", "ruleset") == held
            assert nft.exchange(differing(before, after), generation + 1)


@pytest.mark.netns
def test_a_difference_that_the_kernel_cannot_take_is_not_half_done() -> None:
    before, after = marked(SITE), marked(with_level(SITE, 3, Level.QUARANTINE))
    with Namespace("gateway") as gateway, gateway.entered():
        nft = open_nft()
        with contextlib.closing(Nftables(Path("/nowhere/that/can/be/written"), nft)) as firewall:
            firewall.apply(SITE)
            mac = SITE.devices[3].macs[0]
            gateway.run("nft", f"delete element inet bartizan held_macs {{ {mac} }}")
            held = gateway.run("nft", "list", "ruleset")

            assert not nft.exchange(differing(before, after), firewall.verified_generation + 1)
            assert gateway.run("nft", "list", "ruleset") == held
