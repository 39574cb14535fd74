"""The package for gateways, built by its script and unpacked into an empty root: whole, and fit for systemd."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import bartizan
from tests.packaging.installation import ROOT, SECONDS
from tests.side_by_side import in_the_machines_network

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
UNITS = ("bartizan-agent.service", "bartizan-restore.service")


@dataclass(frozen=True)
class Package:
    """A built .deb."""

    file: Path
    root: Path
    """Where its files were unpacked."""

    @property
    def packages(self) -> Path:
        """The Python packages that it brings."""
        return self.root / "opt/bartizan/lib" / f"python{PYTHON}" / "site-packages"

    def field(self, name: str) -> str:
        """A field of its control file."""
        return output("dpkg-deb", "--field", str(self.file), name).strip()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python, as the package's own would: isolated, with nothing but its packages to import."""
        begin = f"import sys; sys.path.append({str(self.packages)!r}); "
        option, code, *rest = arguments
        return subprocess.run(
            [sys.executable, "-I", "-S", option, begin + code, *rest],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("deb")
    script = str(ROOT / "deploy/agent/build-deb")
    built = output(*in_the_machines_network(script, "--python", PYTHON, str(folder)))
    root = folder / "root"
    output("dpkg-deb", "--extract", built.strip(), str(root))
    return Package(Path(built.strip()), root)


def test_it_says_what_it_is_and_what_it_needs(package: Package) -> None:
    assert package.field("Package") == "bartizan-agent"
    assert package.field("Version") == bartizan.__version__
    assert f"python3 (>= {PYTHON})" in package.field("Depends")
    assert "libnftables1" in package.field("Depends")


def test_it_brings_what_is_reviewed_and_nothing_of_the_controller(package: Package) -> None:
    """The distributions inside are those of agent/dependencies.txt, the agent and the core."""
    listed = re.findall(r"^[a-z0-9-]+", (ROOT / "agent/dependencies.txt").read_text(encoding="utf-8"), re.MULTILINE)
    inside = {path.name.partition("-")[0].replace("_", "-").lower() for path in package.packages.glob("*.dist-info")}

    assert inside == {*listed, "bartizan", "bartizan-agent"}
    assert not list(package.root.rglob("bartizan_controller"))


def test_the_agent_runs_from_what_was_unpacked(package: Package) -> None:
    done = package.run("-c", "from bartizan_agent.cli import main; sys.exit(main())", "--version")

    assert (done.returncode, done.stdout.strip()) == (0, f"bartizan-agent {bartizan.__version__}")


def test_the_programs_are_where_units_and_people_look_for_them(package: Package) -> None:
    home = package.root / "opt/bartizan"

    assert (home / "bin/python").readlink() == Path(f"/usr/bin/python{PYTHON}")
    assert "home = /usr/bin\n" in (home / "pyvenv.cfg").read_text(encoding="utf-8")
    assert (home / "bin/bartizan-agent").read_text(encoding="utf-8").startswith("#!/opt/bartizan/bin/python -I\n")
    assert (package.root / "usr/bin/bartizan-agent").readlink() == Path("/opt/bartizan/bin/bartizan-agent")
    assert (home / "lib/bartizan-restore.py").resolve() == package.packages / "bartizan_agent/nftables/restore.py"


def test_what_the_boot_unit_starts_answers_without_any_package(package: Package, tmp_path: Path) -> None:
    """Nothing is stored yet: it says that nothing is contained, and fails, for the unit to fail."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", package.root / "opt/bartizan/lib/bartizan-restore.py", tmp_path],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 1
    assert "cameras are NOT contained" in done.stderr


def test_nobody_but_root_may_change_it(package: Package) -> None:
    """Everything belongs to root, and nothing is writable for others."""
    listed = output("dpkg-deb", "--contents", str(package.file)).splitlines()

    assert [line for line in listed if " root/root " not in line] == []
    assert [line for line in listed if line[0] in "-d" and "w" in line[4:10]] == []


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_its_scripts_are_sound(package: Package, tmp_path: Path, script: str) -> None:
    output("dpkg-deb", "--control", str(package.file), str(tmp_path / "control"))

    assert subprocess.run(["sh", "-n", tmp_path / "control" / script], timeout=SECONDS, check=False).returncode == 0
    assert (tmp_path / "control" / script).stat().st_mode & 0o111


def test_what_the_service_reads_is_what_its_package_compiles(package: Package, tmp_path: Path) -> None:
    """The same options in both, and again when another package changes the standard library."""
    unit = (package.root / "lib/systemd/system/bartizan-agent.service").read_text(encoding="utf-8")
    started = re.search(r"^ExecStart=(.*) /opt/bartizan/bin/bartizan-agent run$", unit, re.MULTILINE)
    output("dpkg-deb", "--control", str(package.file), str(tmp_path))

    assert started is not None
    assert f"\n{started[1]} -m bartizan_agent.settled\n" in (tmp_path / "postinst").read_text(encoding="utf-8")
    assert (tmp_path / "triggers").read_text(encoding="ascii") == f"interest-noawait /usr/lib/python{PYTHON}\n"


def test_systemd_takes_the_units_as_they_are(package: Package, tmp_path: Path) -> None:
    """`systemd-analyze verify` with the units' paths led into the unpacked root: no unknown key, no missing file."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    for unit in UNITS:
        text = (package.root / "lib/systemd/system" / unit).read_text(encoding="utf-8")
        text = text.replace("/opt/bartizan/bin/python ", f"{python} ").replace("/opt/", f"{package.root}/opt/")
        (tmp_path / unit).write_text(text, encoding="utf-8")

    assert verified(*(tmp_path / unit for unit in UNITS)) == []


def test_systemd_takes_the_units_of_controller_and_broker(tmp_path: Path) -> None:
    """Each with a program that is there in place of the installed one."""
    for unit in (ROOT / "deploy").glob("*/bartizan-[cb]*.service"):
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text("utf-8"), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")

    assert {path.name for path in tmp_path.iterdir()} == {"bartizan-controller.service", "bartizan-broker.service"}
    assert verified(*tmp_path.iterdir()) == []


def verified(*units: Path) -> list[str]:
    """What `systemd-analyze verify` has against units of ours. It looks at what they depend on as well."""
    done = subprocess.run(
        ["systemd-analyze", "--man=no", "--recursive-errors=no", "verify", *map(str, units)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "bartizan" in line]
    return told or ([] if done.returncode == 0 else [done.stderr])


def output(*command: str) -> str:
    """Run a command that has to succeed; return what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
