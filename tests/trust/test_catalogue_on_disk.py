"""The last good catalogue on a gateway's disk: offline, expired, half written, tampered with, full."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bartizan.errors import BadSignature, Malformed, Refused, TooNew, Unavailable
from bartizan.wire import codec
from bartizan_agent.catalogue import CatalogueClient, LastGood, keep_first_root
from bartizan_agent.durable import replace_file
from tests.trust.estate import DAY, NOW, Estate, policy


@pytest.fixture
def folder(estate: Estate) -> Path:
    """The state of a gateway that holds one policy."""
    estate.publish_policy(policy())
    folder = estate.folder / "gateway"
    keep_first_root(folder, estate.repository.first_root())
    CatalogueClient(folder).update(estate.all_files(), NOW)
    return folder


def change(folder: Path, edit: Callable[[LastGood], LastGood]) -> None:
    file = folder / "last-good.json"
    file.write_bytes(codec.encode(edit(codec.decode(file.read_bytes(), LastGood))))


def with_file(name_part: str, old: bytes, new: bytes) -> Callable[[LastGood], LastGood]:
    def edit(kept: LastGood) -> LastGood:
        files = {name: data.replace(old, new) if name_part in name else data for name, data in kept.files.items()}
        assert files != kept.files
        return msgspec.structs.replace(kept, files=files)

    return edit


def test_it_is_taken_up_without_a_controller(folder: Path) -> None:
    gateway = CatalogueClient(folder)

    catalogue = gateway.load()

    assert catalogue is not None
    assert catalogue.policies == (policy(),)
    assert gateway.versions()["policy"] == 2
    assert not gateway.is_expired(NOW + DAY)


def test_it_is_taken_up_after_it_expired_and_says_so(folder: Path) -> None:
    gateway = CatalogueClient(folder)

    assert gateway.load() is not None
    assert gateway.is_expired(NOW + 3650 * DAY)


def test_there_is_none_before_the_first(estate: Estate) -> None:
    assert estate.gateway().load() is None


def test_the_latest_time_is_remembered(folder: Path) -> None:
    gateway = CatalogueClient(folder)
    gateway.load()

    assert gateway.clock_behind_seconds(NOW - 60) == 60


@pytest.mark.parametrize(
    "edit",
    [
        with_file("hikvision", b'"isolate"', b'"watch"'),
        with_file("2.policy", b'"version":2', b'"version":3'),
        with_file("timestamp", b'"expires":"20', b'"expires":"29'),
        with_file("1.targets", b'"threshold":2', b'"threshold":1'),
        lambda kept: msgspec.structs.replace(kept, accepted_at=NOW + 3650 * DAY),
    ],
)
def test_what_was_tampered_with_is_refused_and_fetched_again(
    estate: Estate, folder: Path, edit: Callable[[LastGood], LastGood]
) -> None:
    change(folder, edit)
    gateway = CatalogueClient(folder)

    with pytest.raises(Refused):
        gateway.load()
    assert gateway.versions() == {}

    gateway.update(estate.repository.bundle(gateway.versions()), NOW)
    assert CatalogueClient(folder).load() == gateway.catalogue


@pytest.mark.parametrize("length", [0, 1, 100, 5000])
def test_what_was_cut_is_refused(folder: Path, length: int) -> None:
    file = folder / "last-good.json"
    file.write_bytes(file.read_bytes()[:length])

    with pytest.raises(Malformed):
        CatalogueClient(folder).load()


def test_a_missing_file_inside_is_refused(folder: Path) -> None:
    change(folder, lambda kept: msgspec.structs.replace(kept, files={}))

    with pytest.raises(Unavailable):
        CatalogueClient(folder).load()


def test_a_half_written_newer_one_does_not_matter(estate: Estate, folder: Path) -> None:
    (folder / ".last-good.json.new").write_bytes(b'{"files":{"metadata/')
    gateway = CatalogueClient(folder)

    assert gateway.load() is not None
    estate.publish_policy(policy("axis"))
    gateway.update(estate.repository.bundle(gateway.versions()), NOW)
    assert CatalogueClient(folder).load() == gateway.catalogue


def test_a_full_disk_keeps_the_last_good_one_in_memory_and_on_disk(estate: Estate, folder: Path) -> None:
    def full(path: Path, data: bytes) -> None:
        raise Unavailable(f"{path} cannot be written")

    gateway = CatalogueClient(folder, write=full)
    held = gateway.load()
    estate.publish_policy(policy("axis"))

    with pytest.raises(Unavailable):
        gateway.update(estate.all_files(), NOW)
    assert gateway.catalogue == held
    assert CatalogueClient(folder).load() == held


def test_a_program_that_was_downgraded_says_that_it_is_too_old(folder: Path) -> None:
    with pytest.raises(TooNew):
        CatalogueClient(folder, capability=0).load()


def test_without_a_first_root_nothing_is_believed(estate: Estate, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="enrol"):
        CatalogueClient(tmp_path / "new").update(estate.all_files(), NOW)


def test_a_first_root_that_its_own_keys_did_not_sign_is_not_kept(estate: Estate, tmp_path: Path) -> None:
    root = estate.repository.first_root()

    for forged, error in ((root.replace(b'"version":1', b'"version":2'), BadSignature), (b"{}", Malformed)):
        with pytest.raises(error):
            keep_first_root(tmp_path / "new", forged)
    assert not (tmp_path / "new" / "root.json").exists()


def test_files_are_for_their_owner_only(folder: Path) -> None:
    assert (folder / "last-good.json").stat().st_mode & 0o777 == 0o600


def test_a_refused_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(Unavailable):
        replace_file(tmp_path / "taken", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_tuf_is_not_imported_before_a_catalogue_is_verified() -> None:
    code = "import sys, bartizan_agent.catalogue; sys.exit(bool({'tuf', 'securesystemslib'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
