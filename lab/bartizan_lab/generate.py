"""Writes the files of this repository that are made from others, or checks that they are up to date.

    python -m bartizan_lab.generate           write what differs
    python -m bartizan_lab.generate --check   fail if anything differs, and say what

A generated file is an entry of `GENERATED`: its path, and the function that returns its text.
"""

import argparse
import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bartizan.firmware.model import Advisory
from bartizan.firmware.source import read_advisories
from bartizan.identity.fingerprints import Fingerprint
from bartizan.identity.source import read_fingerprints
from bartizan.policy.model import Maker
from bartizan.policy.schema import policy_schema
from bartizan.policy.source import read_makers
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.schema import wire_schema
from bartizan_lab.api_reference import api_page, openapi
from bartizan_lab.command_reference import commands
from bartizan_lab.event_reference import event_page
from bartizan_lab.settings_reference import settings_page
from bartizan_lab.support_reference import supported

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"
SHOWN_LINES = 20


class Generated(NamedTuple):
    """One generated file."""

    path: str
    """Relative to the repository."""
    text: Callable[[], str]


def makers() -> tuple[Maker, ...]:
    """Return the makers of `policies/makers.yaml`."""
    path = POLICIES / "makers.yaml"
    return read_makers(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))


def fingerprints() -> tuple[Fingerprint, ...]:
    """Return the fingerprints of `policies/fingerprints.yaml`."""
    path = POLICIES / "fingerprints.yaml"
    return read_fingerprints(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)), makers())


def advisories() -> tuple[Advisory, ...]:
    """Return the advisories of `policies/advisories`, in the order of their files.

    Raises:
        ValueError: Two files have an advisory of the same name about the same maker.
    """
    known = makers()
    found: dict[tuple[str, str], Advisory] = {}
    for path in sorted((POLICIES / "advisories").glob("*.yaml")):
        for advisory in read_advisories(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)), known):
            if found.setdefault((advisory.id, advisory.maker), advisory) is not advisory:
                raise ValueError(f"{advisory.id} about {advisory.maker} is in two files; {path.name} is the second")
    return tuple(found.values())


GENERATED = (
    Generated("schemas/policy.schema.json", policy_schema),
    Generated(f"schemas/wire-{CAPABILITY}.json", wire_schema),
    Generated("schemas/openapi.json", openapi),
    Generated("docs/commands.md", commands),
    Generated("docs/api.md", api_page),
    Generated("docs/settings.md", settings_page),
    Generated("docs/events.md", event_page),
    Generated("SUPPORTED.md", lambda: supported(makers(), advisories())),
    Generated("agent/bartizan_agent/data/makers.json", lambda: _canonical(makers())),
    Generated("agent/bartizan_agent/data/fingerprints.json", lambda: _canonical(fingerprints())),
    Generated("agent/bartizan_agent/data/advisories.json", lambda: _canonical(advisories())),
)


def main(arguments: list[str] | None = None) -> int:
    """Write or check every generated file; return the program's exit status."""
    parser = argparse.ArgumentParser(prog="python -m bartizan_lab.generate", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is not up to date")
    check = parser.parse_args(arguments).check
    stale = [item for item in GENERATED if not _is_current(item)]
    for item in stale:
        if check:
            sys.stderr.write(
                f"{item.path} is not up to date: run 'python -m bartizan_lab.generate'\n{_difference(item)}\n"
            )
        else:
            _write(item)
            sys.stdout.write(f"wrote {item.path}\n")
    return 1 if check and stale else 0


def _canonical(value: object) -> str:
    return codec.encode(value).decode() + "\n"


def _present(item: Generated) -> str:
    path = ROOT / item.path
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _is_current(item: Generated) -> bool:
    return _present(item) == item.text()


def _difference(item: Generated) -> str:
    lines = difflib.unified_diff(
        _present(item).splitlines(), item.text().splitlines(), "committed", "generated", "", "", 1
    )
    return "\n".join(line[:200] for line in list(lines)[:SHOWN_LINES])


def _write(item: Generated) -> None:
    path = ROOT / item.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(item.text(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
