"""The documents that people write: policies, waivers, sites, makers, fingerprints, advisories. And their targets."""

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from bartizan.cli.terminal import Exit, Failed
from bartizan.firmware.model import Advisory
from bartizan.firmware.source import read_advisories
from bartizan.identity.fingerprints import Fingerprint
from bartizan.identity.source import read_fingerprints
from bartizan.policy.model import Maker, Policy, SiteFacts, Waiver
from bartizan.policy.site_source import read_sites
from bartizan.policy.source import read_makers, read_policy, read_waivers
from bartizan.wire import codec

LARGEST = 4 * 1024 * 1024  # octets
Document = (
    Policy
    | tuple[Waiver, ...]
    | tuple[SiteFacts, ...]
    | tuple[Maker, ...]
    | tuple[Fingerprint, ...]
    | tuple[Advisory, ...]
)

T = TypeVar("T")

_FIRST_KEY = re.compile(r"^(policy|waivers|sites|makers|fingerprints|advisories)\s*:", re.MULTILINE)


def expand(paths: Iterable[Path]) -> list[Path]:
    """Return the YAML files among `paths`; folders stand for all below them.

    Raises:
        Failed: A path does not exist, or there is no document at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Failed(f"{path} does not exist", Exit.USAGE)
        files += sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise Failed("no document was found: name YAML files, or a folder that has some", Exit.USAGE)
    return files


def read(path: Path, makers: Iterable[Maker] = ()) -> Document:
    """Return the document in a file.

    Raises:
        PolicyError: With every fault in it.
        Failed: It cannot be read, or is no document of ours.
    """
    text = read_text(path)
    kind = _FIRST_KEY.search(text)
    match kind.group(1) if kind else "":
        case "policy":
            return read_policy(text, str(path), makers)
        case "waivers":
            return read_waivers(text, str(path), makers=makers)
        case "sites":
            return read_sites(text, str(path))
        case "makers":
            return read_makers(text, str(path))
        case "fingerprints":
            return read_fingerprints(text, str(path), makers)
        case "advisories":
            return read_advisories(text, str(path), makers)
        case _:
            kinds = "policy:, waivers:, sites:, makers:, fingerprints:, advisories:"
            raise Failed(f"{path}: begin with one of {kinds}", Exit.USAGE)


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        Failed: It cannot be read, is too large, or is no UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise Failed(f"{path} has more than {LARGEST} octets: this is no document of ours", Exit.USAGE)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
    except UnicodeDecodeError as error:
        raise Failed(f"{path} is no UTF-8 text (octet {error.start})", Exit.USAGE) from error


def targets(documents: Mapping[Path, Document]) -> dict[str, bytes]:
    """Return the catalogue targets that documents become, by target path. See `bartizan.trust.content`.

    Raises:
        Failed: Two documents are the same target, or an advisory waits for a person to read it.
    """
    found: dict[str, bytes] = {}
    advisories: list[Advisory] = []
    for path, document in documents.items():
        found_here = entries(document, Advisory)
        advisories += found_here
        _refuse_unread(path, found_here)
        if found_here:
            continue
        for target, content in _targets_of(document):
            if target in found:
                raise Failed(f"{path}: {target} is in another document already; give one document for it", Exit.USAGE)
            found[target] = content
    if advisories:
        found["policy/advisories.json"] = codec.encode(sorted(advisories, key=lambda each: each.id))
    return found


def _refuse_unread(path: Path, advisories: Iterable[Advisory]) -> None:
    waiting = [f"{path}: {each.id} ({each.maker}): {item}" for each in advisories for item in each.unread]
    if waiting:
        told = "\n".join(waiting)
        raise Failed(f"a person must read this and strike it from `unread`, before anybody signs:\n{told}")


def entries(document: Document, kind: type[T]) -> list[T]:
    """Return a document's entries of one kind."""
    return [each for each in document if isinstance(each, kind)] if isinstance(document, tuple) else []


def _targets_of(document: Document) -> list[tuple[str, bytes]]:
    if isinstance(document, Policy):
        return [(f"policy/{document.id}.json", codec.encode(document))]
    if not document or isinstance(document[0], Waiver):
        return [("policy/waivers.json", codec.encode(document))]
    if isinstance(document[0], Maker):
        return [("policy/makers.json", codec.encode(document))]
    if isinstance(document[0], Fingerprint):
        return [("policy/fingerprints.json", codec.encode(document))]
    sites = sorted(entries(document, SiteFacts), key=_by_organisation)
    return [
        (f"policy/sites-{organisation}.json", codec.encode(tuple(group)))
        for organisation, group in itertools.groupby(sites, key=lambda site: site.organisation)
    ]


def _by_organisation(site: SiteFacts) -> tuple[str, str]:
    return site.organisation, site.id
