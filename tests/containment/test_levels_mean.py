"""Properties of what the levels mean, and of the difference between two rulesets."""

import re
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.containment.check import check
from bartizan.containment.elements import elements
from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.containment.nft_text import verdict_text
from bartizan.containment.render import difference, render
from tests.containment.reference_model import Packet, passes
from tests.containment.rulesets import packets, rulesets

COMMAND = re.compile(r"(add|delete) element inet bartizan (\w+) \{ (.*) \}")
Contents = dict[str, dict[str, str]]


@given(rulesets(), st.lists(packets(), min_size=10, max_size=30), st.data())
@settings(max_examples=50)
def test_a_tighter_level_never_lets_more_through(ruleset: Ruleset, sent: list[Packet], data: st.DataObject) -> None:
    tighter = msgspec.structs.replace(
        ruleset,
        devices=tuple(
            msgspec.structs.replace(
                device, level=data.draw(st.sampled_from([one for one in Level if one >= device.level]))
            )
            for device in ruleset.devices
        ),
        segments=tuple(
            msgspec.structs.replace(segment, default_level=max(segment.default_level, Level.ISOLATE))
            for segment in ruleset.segments
        ),
    )

    assert not [packet for packet in sent if passes(tighter, packet) and not passes(ruleset, packet)]


@given(rulesets(), rulesets())
@settings(max_examples=50)
def test_a_difference_turns_one_table_into_the_other(before: Ruleset, after: Ruleset) -> None:
    check(before)
    table = spelled(before)

    for line in difference(before, after).splitlines():
        carry_out(line, table)

    assert table == spelled(after)


@given(rulesets(), st.randoms())
@settings(max_examples=50)
def test_the_order_of_devices_changes_nothing_but_the_mark(ruleset: Ruleset, random: Random) -> None:
    shuffled = list(ruleset.devices)
    random.shuffle(shuffled)
    other = msgspec.structs.replace(ruleset, devices=tuple(shuffled))

    assert without_mark(render(other)) == without_mark(render(ruleset))


def test_equal_rulesets_do_not_differ() -> None:
    ruleset = Ruleset(segments=(), estate_networks=(), devices=())

    assert not difference(ruleset, msgspec.structs.replace(ruleset))


def carry_out(line: str, table: Contents) -> None:
    """Do to `table` what the kernel would: deleting what is not there, or adding what is, is an error."""
    if match := re.fullmatch(r"flush set inet bartizan (\w+)", line):
        table[match[1]].clear()
    elif match := COMMAND.fullmatch(line):
        verb, name, items = match.groups()
        for item in items.split(", "):
            key, _, verdict = item.partition(" : ")
            if verb == "delete":
                assert table[name].pop(key) == verdict
            else:
                assert key not in table[name]
                table[name][key] = verdict
    else:
        assert re.fullmatch(r"(add|delete) chain inet bartizan digest_[0-9a-f]{64}", line)


def spelled(ruleset: Ruleset) -> Contents:
    quoted = {"segments", "unknown_senders", "unknown_receivers", "known_macs", "recognised4", "recognised6"}
    return {
        name: {
            " . ".join((f'"{key[0]}"', *key[1:]) if name in quoted else key): verdict_text(verdict) if verdict else ""
            for key, verdict in contents.items()
        }
        for name, contents in elements(ruleset).items()
    }


def without_mark(text: str) -> str:
    return re.sub(r"digest_[0-9a-f]{64}", "digest", text)
