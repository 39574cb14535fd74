"""The documents: every link leads somewhere, and nothing is said about what does not exist."""

import re
from pathlib import Path

import pytest

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
