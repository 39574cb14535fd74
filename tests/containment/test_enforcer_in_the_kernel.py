"""The table in a real kernel: set whole, read back, repaired, removed, and nobody else's touched."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import DeviceDrops, DropCounter, Ruleset, Segment
from bartizan.containment.render import Difference, digest, render
from bartizan.errors import Malformed
from bartizan.ids import Address, DeviceId, Mac
from bartizan_agent import memory
from bartizan_agent.firewall import FirewallRefused
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.nftables.listing import parse
from bartizan_agent.nftables.tool import Nft, Object, Program, open_nft
from bartizan_lab.netns import Namespace
from tests.containment.estate import camera, estate, with_level
from tests.containment.reference_model import Packet
from tests.containment.wire import Wire, wire

pytestmark = pytest.mark.netns

SITE = estate(4)
OTHERS = "table inet office {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}\n"


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    with Namespace("gateway") as namespace, namespace.entered():
        yield namespace


@pytest.fixture
def firewall(gateway: Namespace, tmp_path: Path) -> Iterator[Nftables]:
    with contextlib.closing(Nftables(tmp_path)) as enforcer:
        yield enforcer


def test_what_is_applied_is_read_back(firewall: Nftables) -> None:
    firewall.apply(SITE)

    enforced = firewall.read()

    assert enforced.intact
    assert enforced.digest == digest(SITE)
    assert enforced.devices == SITE.devices
    assert enforced.missing == ()


def test_a_thousand_devices_are_read_back(firewall: Nftables) -> None:
    firewall.apply(estate(1000))
    firewall.apply(with_level(estate(1000), 7, Level.QUARANTINE))

    enforced = firewall.read()

    assert enforced.intact
    assert [device.level for device in enforced.devices].count(Level.QUARANTINE) == 1


def test_applying_the_same_again_changes_nothing_in_the_kernel(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)
    before = gateway.run("nft", "--handle", "list", "ruleset"), firewall.verified_generation

    firewall.apply(msgspec.structs.replace(SITE))

    assert before == (gateway.run("nft", "--handle", "list", "ruleset"), firewall.verified_generation)


def test_the_text_that_the_kernel_prints_can_be_loaded_again(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)

    gateway.run("nft", "--check", "--file", "-", text_in=gateway.run("nft", "list", "ruleset"))


def test_other_tables_are_left_alone(gateway: Namespace, firewall: Nftables) -> None:
    gateway.run("nft", "--file", "-", text_in=OTHERS)

    firewall.apply(SITE)
    firewall.apply(with_level(SITE, 0, Level.QUARANTINE))
    firewall.remove_all()

    assert gateway.run("nft", "list", "ruleset") == OTHERS


def test_what_others_changed_is_told_by_the_change_that_puts_it_right(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)
    gateway.run("nft", "flush", "ruleset")

    found = firewall.apply(with_level(SITE, 1, Level.QUARANTINE))

    assert found == ("the table is gone",)
    assert firewall.apply(with_level(SITE, 2, Level.QUARANTINE)) == ()
    assert firewall.apply(with_level(SITE, 2, Level.QUARANTINE)) == ()


def test_a_flushed_ruleset_is_seen_and_repaired(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)
    gateway.run("nft", "flush", "ruleset")

    flushed = firewall.read()
    firewall.apply(SITE)

    assert (flushed.intact, flushed.devices, flushed.missing) == (False, (), ("the table is gone",))
    assert firewall.read().intact


@pytest.mark.parametrize(
    ("change", "missing", "still_held"),
    [
        ("delete element inet bartizan held_macs { 02:00:00:00:00:01 }", "held_macs lacks 02:00:00:00:00:01", 3),
        ("add element inet bartizan recorders4 { 203.0.113.1 }", "recorders4 has 203.0.113.1 besides", 4),
        ("flush chain inet bartizan refuse", "rule refuse is not as applied", 0),
        ("insert rule inet bartizan judge accept", "rule judge is not as applied", 0),
        ("delete chain inet bartizan digest_%", "the table is marked with nothing", 4),
    ],
)
def test_any_change_is_seen_and_repaired(
    gateway: Namespace, firewall: Nftables, change: str, missing: str, still_held: int
) -> None:
    firewall.apply(SITE)
    gateway.run("nft", change.replace("%", digest(SITE)))

    tampered = firewall.read()
    firewall.apply(SITE)

    assert not tampered.intact
    assert tampered.missing[0].startswith(missing)
    assert len(tampered.devices) == still_held
    assert firewall.read().intact


def test_a_change_that_meets_a_tampered_table_replaces_it(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)
    gateway.run("nft", "delete element inet bartizan held_macs { 02:00:00:00:00:01 }")

    firewall.apply(with_level(SITE, 1, Level.QUARANTINE))

    assert firewall.read().intact


def test_a_change_in_another_table_does_not_make_ours_be_replaced(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)
    before = gateway.run("nft", "--handle", "list", "chains", "inet")
    gateway.run("nft", "add table inet office")

    firewall.apply(with_level(SITE, 1, Level.QUARANTINE))

    assert [line for line in before.splitlines() if "judge" in line] == [
        line for line in gateway.run("nft", "--handle", "list", "chains", "inet").splitlines() if "judge" in line
    ]
    assert firewall.read().intact


class Reluctant:
    """nftables that refuses what holds a given word, as the kernel would: whole."""

    def __init__(self) -> None:
        self.refuse = ""
        self._nft = open_nft()

    def transact(self, text: str) -> None:
        self._nft.transact(
            text + ("add rule inet nowhere nothing drop\n" if self.refuse and self.refuse in text else "")
        )

    def exchange(self, change: Difference, generation: int) -> bool:  # noqa: ARG002 - it has no short way
        return False

    def listing(self, command: str) -> list[Object]:
        return self._nft.listing(command)

    def table(self, family: str, name: str) -> Iterable[Object]:
        return self._nft.table(family, name)

    def close(self) -> None:
        self._nft.close()


def test_a_refused_transaction_leaves_what_was_in_force(gateway: Namespace, tmp_path: Path) -> None:
    kernel = Reluctant()
    with contextlib.closing(Nftables(tmp_path, kernel)) as firewall:
        firewall.apply(SITE)
        before = gateway.run("nft", "--handle", "list", "ruleset")
        kernel.refuse = "jump refuse"

        with pytest.raises(FirewallRefused, match="No such file or directory"):
            firewall.apply(with_level(SITE, 0, Level.QUARANTINE))

        assert gateway.run("nft", "--handle", "list", "ruleset") == before
        assert firewall.read().devices == SITE.devices
        kernel.refuse = ""
        firewall.apply(with_level(SITE, 0, Level.QUARANTINE))
        assert firewall.read().devices[0].level is Level.QUARANTINE


def test_what_cannot_be_enforced_is_refused_before_the_kernel_sees_it(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)

    with pytest.raises(Malformed):
        firewall.apply(msgspec.structs.replace(SITE, segments=(Segment('cam0" accept', Level.WATCH),)))

    assert firewall.read().devices == SITE.devices


def test_removing_needs_nothing_and_may_be_repeated(gateway: Namespace, tmp_path: Path) -> None:
    with contextlib.closing(Nftables(tmp_path)) as crashed:
        crashed.apply(SITE)

    with contextlib.closing(Nftables(tmp_path)) as restarted:
        restarted.remove_all()
        restarted.remove_all()

    assert gateway.run("nft", "list", "ruleset") == ""


def test_the_nft_program_does_what_the_library_does(gateway: Namespace, tmp_path: Path) -> None:
    program: Nft = Program()
    with contextlib.closing(Nftables(tmp_path, program)) as firewall:
        firewall.apply(SITE)
        firewall.apply(with_level(SITE, 0, Level.QUARANTINE))

        assert firewall.read().intact
        with pytest.raises(FirewallRefused, match="No such file"):
            program.transact("delete table inet nowhere")


def test_the_library_and_the_program_read_the_same_table(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(SITE)
    gateway.run("nft", "-f", "-", text_in="table inet other { set held_macs { type ether_addr; }; }")
    library = open_nft()
    with contextlib.closing(library):
        assert parse(library.table("inet", "bartizan")) == parse(Program().table("inet", "bartizan"))
        assert parse(library.table("inet", "none")).parts == ()


def test_what_it_takes_to_read_a_large_site_is_little(gateway: Namespace, firewall: Nftables) -> None:
    firewall.apply(estate(1000))
    gateway.run("nft", "add", "table", "inet", "other")  # a change, so that all is read once more
    memory.give_back()
    before = _kibibytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM begins anew

    assert len(firewall.read().devices) == 1000

    assert _kibibytes("VmHWM") - before < 8 * 1024  # listing the table by its name takes 20 MB


def _kibibytes(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0])


def test_the_state_folder_may_be_full(gateway: Namespace, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.write_text("a file stands where the folder should be", encoding="ascii")
    with contextlib.closing(Nftables(folder)) as firewall:
        firewall.apply(SITE)
        stuck = firewall.read()
        folder.unlink()
        firewall.apply(SITE)

        assert stuck.intact
        assert stuck.missing == ("the ruleset could not be stored: after a reboot the one before it would be enforced",)
        assert firewall.read().missing == ()


@pytest.fixture
def cables() -> Iterator[Wire]:
    with wire() as wired:
        yield wired


def test_drops_are_counted_by_device_and_destination_and_survive(cables: Wire, tmp_path: Path) -> None:
    site = Ruleset(
        segments=(Segment("cam0", Level.ISOLATE), Segment("cam1", Level.ISOLATE)),
        estate_networks=(),
        devices=(msgspec.structs.replace(camera(1), interface="cam0", addresses=(Address("10.9.0.11"),)),),
    )
    mac, stranger = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:ee")
    beacon = Packet("cam0", "core0", mac, "10.9.0.11", "198.51.100.7", "tcp", 40000, 443)
    unknown = Packet("cam0", "core0", stranger, "fd00:a::13", "2001:db8::7", "icmp")
    inward = Packet("core0", "cam0", stranger, "10.1.0.6", "10.9.0.11", "udp", 40000, 37777)
    counted = (
        DropCounter(mac, Address("198.51.100.7"), "tcp", 443, 3, 3 * 48),
        DropCounter(stranger, Address("2001:db8::7"), "icmp", 0, 1, 56),
    )
    totals = (DeviceDrops(DeviceId("camera-1"), sent=3, received=2),)
    with cables.gateway.entered():
        firewall = Nftables(tmp_path)
    with contextlib.closing(firewall):
        firewall.apply(site)
        assert cables.forwarded([beacon, beacon, beacon, unknown, inward, inward]) == [False] * 6

        assert firewall.counters() == counted
        assert firewall.totals() == totals
        firewall.apply(with_level(site, 0, Level.QUARANTINE))
        assert (firewall.counters(), firewall.totals()) == (counted, totals)
        cables.gateway.run("nft", "flush", "ruleset")
        firewall.apply(site)
        assert (firewall.counters(), firewall.totals()) == (counted, totals)
        assert cables.forwarded([beacon]) == [False]
        assert firewall.counters()[0].packets == 4


def test_a_device_that_tries_everything_hides_no_other_and_what_is_not_listed_is_counted(
    cables: Wire, tmp_path: Path
) -> None:
    sprayer, quiet = (
        msgspec.structs.replace(camera(number), interface="cam0", addresses=(Address(f"10.9.0.{10 + number}"),))
        for number in (1, 2)
    )
    site = Ruleset(segments=(Segment("cam0", Level.ISOLATE),), estate_networks=(), devices=(sprayer, quiet))
    probe = Packet("cam0", "core0", sprayer.macs[0], sprayer.addresses[0], "198.51.100.7", "udp", 1, 1)
    everything = [dataclasses.replace(probe, to_port=port) for port in range(1, 1001)]
    beacon = dataclasses.replace(probe, from_mac=quiet.macs[0], source=quiet.addresses[0], to_port=8800)
    with cables.gateway.entered():
        firewall = Nftables(tmp_path)
    with contextlib.closing(firewall):
        firewall.apply(site)

        assert not any(cables.forwarded([*everything, *everything, beacon]))

        listed = [drop for drop in firewall.counters() if drop.mac == sprayer.macs[0]]
        (of_sprayer, of_quiet) = firewall.totals()
        assert (len(listed), [drop.packets for drop in listed]) == (200, [2] * 200)
        assert of_sprayer == DeviceDrops(sprayer.id, sent=2000, received=0, unlisted=1600)
        assert of_quiet == DeviceDrops(quiet.id, sent=1, received=0)
        assert [drop.port for drop in firewall.counters() if drop.mac == quiet.macs[0]] == [8800]


def test_a_later_fragment_is_listed_without_a_port_and_once(cables: Wire, tmp_path: Path) -> None:
    site = Ruleset(segments=(Segment("cam0", Level.ISOLATE),), estate_networks=(), devices=())
    mac = "02:00:00:00:00:01"
    fragments = [
        Packet("cam0", "core0", mac, "10.9.0.11", "198.51.100.7", "udp", later_fragment=True),
        Packet("cam0", "core0", mac, "fd00:a::13", "2001:db8::7", "tcp", later_fragment=True),
    ]
    with cables.gateway.entered():
        firewall = Nftables(tmp_path)
    with contextlib.closing(firewall):
        firewall.apply(site)

        assert not any(cables.forwarded(fragments))
        listed = {(drop.destination, drop.protocol, drop.port, drop.packets) for drop in firewall.counters()}
        assert listed == {("198.51.100.7", "udp", 0, 1), ("2001:db8::7", "tcp", 0, 1)}


def test_full_evidence_does_not_open_the_filter(cables: Wire, tmp_path: Path) -> None:
    site = Ruleset(segments=(Segment("cam0", Level.ISOLATE),), estate_networks=(), devices=())
    probe = Packet("cam0", "core0", "02:00:00:00:00:01", "10.9.0.11", "198.51.100.7", "udp", 1, 1)
    macs = [f"02:00:00:00:{number // 250:02x}:{number % 250:02x}" for number in range(5000)]
    with cables.gateway.entered():
        firewall = Nftables(tmp_path)
    with contextlib.closing(firewall):
        firewall.apply(site)

        assert not any(cables.forwarded([dataclasses.replace(probe, from_mac=mac) for mac in macs]))
        assert len(firewall.counters()) == 4096


def test_a_ruleset_loads_in_the_kernel_as_text(gateway: Namespace) -> None:
    gateway.run("nft", "--check", "--file", "-", text_in=render(SITE))


class TestContinuity:
    """What is proven of the time between two looks, with everybody's transactions counted by the kernel."""

    def test_our_own_changes_break_nothing(self, firewall: Nftables) -> None:
        began = firewall.proof().until
        firewall.apply(SITE)
        firewall.read()
        first = firewall.proof()
        firewall.apply(with_level(SITE, 0, Level.QUARANTINE))
        firewall.apply(with_level(SITE, 1, Level.QUARANTINE))
        firewall.read()
        second = firewall.proof()

        assert (first.since, first.broken_because) == (began, "")
        assert (second.since, second.until - second.since, second.broken_because) == (first.until, 2, "")

    def test_one_change_elsewhere_breaks_nothing_and_two_may_have(self, gateway: Namespace, firewall: Nftables) -> None:
        firewall.apply(SITE)
        firewall.read()
        firewall.proof()
        gateway.run("nft", "add table inet office")
        firewall.read()
        assert firewall.proof().broken_because == ""

        gateway.run("nft", "add table inet office2")
        gateway.run("nft", "add table inet office3")
        firewall.read()
        assert "2 times" in firewall.proof().broken_because

    def test_what_was_taken_away_and_put_back_is_noticed(self, gateway: Namespace, firewall: Nftables) -> None:
        firewall.apply(SITE)
        firewall.read()
        firewall.proof()
        element = f'element inet bartizan segments {{ "{SITE.segments[0].interface}" }}'
        gateway.run("nft", f"delete {element}")
        gateway.run("nft", f"add {element}")

        assert firewall.read().intact
        assert "2 times" in firewall.proof().broken_because

    def test_a_flush_is_told_even_where_it_was_repaired_before_anybody_looked(
        self, gateway: Namespace, firewall: Nftables
    ) -> None:
        firewall.apply(SITE)
        firewall.read()
        firewall.proof()
        gateway.run("nft", "flush ruleset")
        firewall.apply(with_level(SITE, 0, Level.QUARANTINE))

        assert firewall.read().intact
        assert firewall.proof().broken_because
        firewall.read()
        assert firewall.proof().broken_because == ""

    def test_a_flush_that_is_seen_is_named(self, gateway: Namespace, firewall: Nftables) -> None:
        firewall.apply(SITE)
        firewall.read()
        firewall.proof()
        gateway.run("nft", "flush ruleset")
        firewall.read()
        firewall.apply(SITE)
        firewall.read()

        assert "the table is gone" in firewall.proof().broken_because

    def test_a_restarted_agent_finds_the_generation_that_the_one_before_left(
        self, firewall: Nftables, tmp_path: Path
    ) -> None:
        firewall.apply(SITE)
        firewall.read()
        left = firewall.proof()
        with contextlib.closing(Nftables(tmp_path)) as again:
            again.apply(SITE)
            again.read()
            found = again.proof()

        assert (found.since, found.broken_because, again.kernel) == (left.until, "", firewall.kernel)

    def test_another_namespace_is_another_kernel(self, firewall: Nftables, tmp_path: Path) -> None:
        with Namespace("other") as other, other.entered(), contextlib.closing(Nftables(tmp_path)) as elsewhere:
            assert elsewhere.kernel != firewall.kernel
