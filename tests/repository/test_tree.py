"""The repository itself: what may lie where, and that four distributions are one version."""

import re
import subprocess
from pathlib import Path

import bartizan
import bartizan_agent
import bartizan_controller
import bartizan_lab

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "agent",
    "bartizan",
    "bench",
    "CHANGELOG.md",
    "constraints.txt",
    "CONTRIBUTING.md",
    "controller",
    "deploy",
    "docs",
    "lab",
    "LICENSE",
    "Makefile",
    "policies",
    "pyproject.toml",
    "README.md",
    "schemas",
    "SECURITY.md",
    "SUPPORTED.md",
    "tests",
}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "service", "misc"}
NOTES = re.compile(r"(^|/)(PLAN|SUMMARY|STATUS|NOTES|PHASE[^/]*|TODO)\.md$", re.IGNORECASE)


def tracked() -> list[str]:
    """Every file that git keeps here or would."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


def test_nothing_lies_outside_the_agreed_top_level() -> None:
    """A new top-level file is a decision: it goes into the list above, with a reason in the commit."""
    assert {name.partition("/")[0] for name in tracked()} <= TOP_LEVEL


def test_module_names_say_what_they_hold() -> None:
    """No dumping grounds."""
    assert not [name for name in tracked() if name.endswith(".py") and set(Path(name).with_suffix("").parts) & VAGUE]


def test_no_working_notes() -> None:
    """Decisions go to docs/adr/, reasons to commits."""
    assert not [name for name in tracked() if NOTES.search(name)]


def test_one_version() -> None:
    """The four distributions are released together."""
    assert len({m.__version__ for m in (bartizan, bartizan_agent, bartizan_controller, bartizan_lab)}) == 1


def test_every_decision_is_in_the_index() -> None:
    """docs/adr/README.md lists each record, and each listed record exists."""
    listed = set(re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")))

    assert listed == {path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md")}
