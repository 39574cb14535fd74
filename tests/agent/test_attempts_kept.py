"""What a gateway keeps of what its devices tried: the sum, over restarts of itself and of the kernel's counters."""

from collections import Counter
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.model import DropCounter
from bartizan.ids import Address, Mac
from bartizan.wire.up import DROPS_REPORTED
from bartizan_agent.attempts import OF_A_MAC, OF_ALL, SCHEMA, Attempts, of_macs
from bartizan_agent.store import open_store, open_volatile

MAC = Mac("02:00:00:00:00:01")


def drop(packets: int, *, port: int = 443, mac: Mac = MAC, to: str = "203.0.113.9") -> DropCounter:
    return DropCounter(mac, Address(to), "tcp", port, packets, packets * 60)


def test_the_first_and_the_last_reading_that_found_it_are_kept(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        kept = Attempts(store, "kernel 1")
        assert kept.take([drop(3)], 100.0, 0.0)
        assert not kept.take([drop(3)], 105.0, 5.0)
        assert kept.take([drop(8)], 110.0, 10.0)
        kept.write()

        assert kept.latest() == (DropCounter(MAC, Address("203.0.113.9"), "tcp", 443, 8, 480, 100.0, 110.0),)
        assert of_macs(store, [MAC]) == kept.latest()
        assert of_macs(store, [Mac("02:00:00:00:00:02")]) == ()


def test_a_killed_agent_counts_nothing_twice_and_forgets_nothing_that_the_kernel_holds(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        Attempts(store, "kernel 1").take([drop(3)], 100.0, 0.0)  # written
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        killed = Attempts(store, "kernel 1")
        killed.take([drop(3)], 105.0, 5.0)
        killed.write()
        killed.take([drop(7)], 110.0, 6.0)  # not written: less than half a minute after the last time
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        again = Attempts(store, "kernel 1")
        again.take([drop(9)], 120.0, 7.0)

        (found,) = again.latest()
        assert (found.packets, found.first_at, found.last_at) == (9, 100.0, 120.0)


def test_the_counters_of_another_boot_are_others_however_far_they_are() -> None:
    store = open_volatile([SCHEMA])
    Attempts(store, "kernel 1").take([drop(3)], 100.0, 0.0)
    rebooted = Attempts(store, "kernel 2")

    rebooted.take([drop(5)], 200.0, 0.0)

    assert [one.packets for one in rebooted.latest()] == [8]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["packets", "expire", "begin again", "reboot", "restart"]),
            st.integers(1, 3),
            st.integers(1, 2**31),
        ),
        max_size=40,
    )
)
def test_sums_are_what_was_dropped(happened: list[tuple[str, int, int]]) -> None:
    """Whatever begins again: counters, the kernel, the agent. What is killed was written, or is still in the kernel."""
    store = open_volatile([SCHEMA])
    boot, kernel, dropped = 1, Counter[int](), Counter[int]()
    kept = Attempts(store, "kernel 1")
    for at, (what, port, packets) in enumerate(happened):
        match what:
            case "packets":
                kernel[port] += packets
                dropped[port] += packets
            case "begin again" if kernel[port] > 1:
                kernel[port] = 1
                dropped[port] += 1
            case "expire":
                kernel.pop(port, None)
            case "reboot":
                kept.write()
                boot += 1
                kernel.clear()
                kept = Attempts(store, f"kernel {boot}")
            case _:
                kept = Attempts(store, f"kernel {boot}")
        counters = [drop(count, port=port) for port, count in kernel.items()]
        kept.take(counters, float(at), float(at))
        if what in {"expire", "begin again"}:  # what was not written and the kernel forgot is lost
            kept.write()

    assert {one.port: one.packets for one in kept.latest()} == dropped


def test_what_is_kept_and_told_is_bounded() -> None:
    store = open_volatile([SCHEMA])
    kept = Attempts(store, "kernel 1")
    for at in range(110):
        some = [drop(1, port=port, mac=Mac(f"02:00:00:00:01:{at:02x}")) for port in range(1, 220)]
        kept.take(some, float(at), 60.0 * at)

    of_each = store.execute("SELECT mac, COUNT(*) FROM attempts GROUP BY mac").fetchall()
    assert sum(count for _, count in of_each) == OF_ALL
    assert max(count for _, count in of_each) == OF_A_MAC
    assert len(kept.latest()) == DROPS_REPORTED
    assert {one.last_at for one in kept.latest()} == {109.0, 108.0, 107.0}


def test_a_full_disk_keeps_it_in_memory_until_there_is_room(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        kept = Attempts(store, "kernel 1")
        (pages,) = store.execute("PRAGMA page_count").fetchone()
        store.execute(f"PRAGMA max_page_count={pages}")
        kept.take([drop(1, port=port) for port in range(1, 200)], 100.0, 0.0)
        assert len(of_macs(store, [MAC])) < 199
        assert len(kept.latest()) == 199

        store.execute("PRAGMA max_page_count=100000")
        kept.write()
        assert len(of_macs(store, [MAC])) == 199
