"""The documents: every link leads somewhere, and nothing is said about what does not exist."""

import ast
import re
from pathlib import Path

import pytest

from bartizan.wire import events

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "agent/**/*.md", "controller/**/*.md", "deploy/**/*.md", "lab/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Relative links of a document name files that exist."""
    targets = LINK.findall(document.read_text(encoding="utf-8"))

    assert not [target for target in targets if not (document.parent / target).exists()]


def test_every_make_command_is_explained() -> None:
    """CONTRIBUTING names each command that people are meant to use."""
    commands = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    explained = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(
        encoding="utf-8"
    )

    assert not [
        command for command in commands if command not in {"help", "clean"} and f"make {command}" not in explained
    ]


def test_alarms_of_the_operating_guide_are_kinds_of_event() -> None:
    """Nobody sets an alarm on a name that is never told; whoever has to act at once finds every kind that says so."""
    guide = (ROOT / "docs/guides/operating.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z]+\.[a-z-]+)`", guide.partition("## Alarms")[2].partition("\n## ")[0]))

    assert named <= events.ALL
    assert {"containment.failed", "containment.drift", "containment.released", "catalogue.refused"} <= named


@pytest.mark.parametrize(
    ("document", "heading", "at_least"),
    [
        pytest.param("SECURITY.md", "| shown for | by |", 11, id="what a thief can and cannot do"),
        pytest.param("docs/guides/bad-input.md", "| shown by |", 10, id="what comes of bad input"),
    ],
)
def test_every_line_of_a_promise_names_tests_that_exist(document: str, heading: str, at_least: int) -> None:
    """It is only said where a test shows it."""
    table = (ROOT / document).read_text(encoding="utf-8").partition(heading)[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    named = [re.findall(r"`(tests/[a-z_0-9/]+\.py)((?:::\w+)+)`", line) for line in lines]

    assert len(lines) >= at_least
    assert all(named)
    missing = [(file, path) for tests in named for file, path in tests if not _is_defined(ROOT / file, path)]
    assert not missing


def _is_defined(file: Path, path: str) -> bool:
    if not file.exists():
        return False
    inside: list[ast.stmt] = ast.parse(file.read_text(encoding="utf-8")).body
    for name in path.removeprefix("::").split("::"):
        found = [each for each in inside if isinstance(each, _DEFINITIONS) and each.name == name]
        if not found:
            return False
        inside = found[0].body
    return True


_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
