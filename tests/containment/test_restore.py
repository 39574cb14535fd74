"""The boot: what was enforced last is enforced again, before anything of the agent runs."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.containment.render import digest, render
from bartizan.errors import Unavailable
from bartizan.wire import codec
from bartizan_agent import release
from bartizan_agent.nftables import restore
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.nftables.restore import CURRENT, PREVIOUS, RELEASED, seal, unseal
from bartizan_agent.nftables.stored import StoredRulesets
from bartizan_agent.notes import note
from bartizan_agent.places import Places
from bartizan_lab.netns import Namespace
from tests.containment.estate import estate, with_level

OLDER = estate(3)
NEWER = with_level(OLDER, 0, Level.QUARANTINE)


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    with Namespace("gateway") as namespace:
        yield namespace


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder as two changes leave it."""
    stored = StoredRulesets(tmp_path)
    stored.keep(render(OLDER))
    stored.keep(render(NEWER))
    return tmp_path


def boot(gateway: Namespace, state: Path) -> tuple[int, str, str]:
    """Run the boot unit's program; return its exit status, its complaint and the table it leaves."""
    program = gateway.command(sys.executable, "-I", "-S", restore.__file__, str(state))
    done = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr, gateway.run("nft", "list", "ruleset")


@pytest.mark.netns
def test_what_was_applied_is_what_boots(gateway: Namespace, tmp_path: Path) -> None:
    with gateway.entered(), contextlib.closing(Nftables(tmp_path)) as firewall:
        firewall.apply(OLDER)
        firewall.apply(NEWER)
    before = gateway.run("nft", "--stateless", "list", "ruleset")
    gateway.run("nft", "flush", "ruleset")

    status, complaint, _ = boot(gateway, tmp_path)

    after = gateway.run("nft", "--stateless", "list", "ruleset")
    assert (status, complaint) == (0, "")
    assert sorted(after.replace(",", "").split()) == sorted(before.replace(",", "").split())


@pytest.mark.netns
@pytest.mark.parametrize(
    "damage", [b"", b"half of a fi", b"# Written by bartizan-agent; SHA-256 of all that follows: 0\n"]
)
def test_a_damaged_file_falls_back_to_the_one_before(gateway: Namespace, state: Path, damage: bytes) -> None:
    (state / CURRENT).write_bytes(damage)

    status, complaint, table = boot(gateway, state)

    assert status == 0
    assert complaint == f"{state}/ruleset.nft: is damaged\n"
    assert digest(OLDER) in table


@pytest.mark.netns
def test_a_file_that_the_kernel_refuses_falls_back_too(gateway: Namespace, state: Path) -> None:
    (state / CURRENT).write_bytes(seal(b"table inet bartizan { chain judge { jump nowhere } }"))

    status, complaint, table = boot(gateway, state)

    assert status == 0
    assert complaint.startswith(f"{state}/ruleset.nft: refused by the kernel: ")
    assert digest(OLDER) in table


@pytest.mark.netns
def test_with_nothing_stored_the_boot_unit_fails_and_says_what_to_do(gateway: Namespace, tmp_path: Path) -> None:
    status, complaint, table = boot(gateway, tmp_path)

    assert status == 1
    assert "cameras are NOT contained until the agent runs. Start bartizan-agent" in complaint
    assert table == ""


@pytest.mark.netns
def test_a_stored_file_that_somebody_removed_is_missed_and_written_again(gateway: Namespace, tmp_path: Path) -> None:
    with gateway.entered(), contextlib.closing(Nftables(tmp_path)) as agent:
        agent.apply(NEWER)
        (tmp_path / CURRENT).unlink()
        assert "after a reboot" in agent.read().missing[0]
        agent.apply(NEWER)
        assert agent.read().missing == ()
    gateway.run("nft", "flush", "ruleset")

    status, complaint, table = boot(gateway, tmp_path)

    assert (status, complaint) == (0, "")
    assert digest(NEWER) in table


@pytest.mark.netns
def test_a_release_boots_open_until_its_hours_are_over_and_contained_ever_after(
    gateway: Namespace, tmp_path: Path
) -> None:
    """As `bartizan-agent release` leaves it: the table removed, the marker written; nobody takes the marker away."""
    now = time.time()
    places = Places(tmp_path)
    with gateway.entered(), contextlib.closing(Nftables(tmp_path)) as agent:
        agent.apply(NEWER)
        lifted = release.Release(by="duty officer", reason="drill", began_at=now, ends_at=now + 3600)
        release.begin(places, lifted, note("containment.released"))
        agent.remove_all()

    status, complaint, table = boot(gateway, tmp_path)
    assert (status, table) == (0, "")
    assert "released by hand" in complaint

    over = msgspec.structs.replace(lifted, began_at=now - 7200, ends_at=now - 3600)
    places.release.write_bytes(codec.encode(over))
    status, complaint, table = boot(gateway, tmp_path)
    assert (status, complaint) == (0, "")
    assert digest(NEWER) in table


@pytest.mark.parametrize("marker", [b"", b"{", b"[]", b"{}", b'{"began_at":"x","ends_at":9e99}', b"null"])
def test_a_marker_that_cannot_be_read_lifts_nothing(tmp_path: Path, marker: bytes) -> None:
    (tmp_path / RELEASED).write_bytes(marker)

    assert not restore.is_released(str(tmp_path))


@pytest.mark.parametrize(
    ("began", "hours", "stands"),
    [
        pytest.param(-1.0, 72.0, True, id="the longest"),
        pytest.param(-1.0, 73.0, False, id="longer than anybody may release"),
        pytest.param(-1.0, float("inf"), False, id="for ever"),
        pytest.param(-80.0, 100.0, False, id="longer, and began long ago"),
    ],
)
def test_a_marker_lifts_nothing_for_longer_than_a_release_may_last(
    tmp_path: Path, *, began: float, hours: float, stands: bool
) -> None:
    """Boot unit and agent say the same, whoever wrote it."""
    now, places = time.time(), Places(tmp_path)
    begins = now + began * 3600
    marker = {"by": "x", "reason": "y", "began_at": begins, "ends_at": min(begins + hours * 3600, 1e300)}
    places.release.write_bytes(msgspec.json.encode(marker))

    assert restore.is_released(str(tmp_path)) is stands
    assert (release.standing(places, now) is not None) is stands


def test_the_marker_is_the_one_that_a_release_writes(tmp_path: Path) -> None:
    assert Places(tmp_path).release == tmp_path / RELEASED


def test_a_damaged_file_never_becomes_the_fallback(state: Path) -> None:
    (state / CURRENT).write_bytes(b"damaged")

    StoredRulesets(state).keep("table inet newest {}\n")

    assert unseal((state / PREVIOUS).read_bytes()) == render(OLDER).encode()
    assert unseal((state / CURRENT).read_bytes()) == b"table inet newest {}\n"


def test_keeping_the_same_again_keeps_the_fallback(state: Path) -> None:
    StoredRulesets(state).keep(render(NEWER))

    assert unseal((state / PREVIOUS).read_bytes()) == render(OLDER).encode()


def test_a_disk_that_refuses_leaves_what_was_kept(state: Path) -> None:
    (state / f".{CURRENT}.new").mkdir()

    with pytest.raises(Unavailable):
        StoredRulesets(state).keep("table inet newest {}\n")

    assert unseal((state / CURRENT).read_bytes()) == render(NEWER).encode()


def test_the_boot_program_imports_next_to_nothing() -> None:
    """Each import is paid before cameras are contained."""
    listing = (
        "import sys; before = set(sys.modules)\n"
        f"exec(open({restore.__file__!r}).read(), {{'__name__': 'probe'}})\n"
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", listing], capture_output=True, text=True, check=True)

    of_the_interpreter = {"os", "os.path", "posixpath", "genericpath", "stat"}
    assert set(done.stdout.split()) - of_the_interpreter <= {"ctypes", "ctypes._endian", "hashlib", "struct", "types"}
