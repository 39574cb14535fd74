"""Verifying a catalogue: what is asked, what is answered, and working the answer out.

All that needs python-tuf lies behind `verify`. Whoever runs for long has that done elsewhere (`bartizan_agent.apart`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from bartizan.errors import Unavailable
from bartizan.trust.content import Catalogue


class Files(Protocol):
    """Files of a repository by repository path: a bundle, a folder, a server."""

    def __getitem__(self, path: str, /) -> bytes:
        """Return a file.

        Raises:
            KeyError: It is not there.
        """


class Question(msgspec.Struct, frozen=True):
    """What a catalogue is judged by."""

    first_root: bytes
    """What trust began with, at enrolment."""
    held: Mapping[str, bytes]
    """Metadata accepted earlier, by role: nothing older than it is accepted. Its root counts before the first."""
    reference_time: float
    """What counts as now for expiry; Unix seconds."""
    capability: int
    """What this program understands."""


class Answer(msgspec.Struct, frozen=True):
    """A catalogue that was verified."""

    metadata: dict[str, bytes]
    """The newest of every role."""
    catalogue: Catalogue
    targets: tuple[str, ...]
    """Where the targets that travel with it are in the repository."""
    first_root: int
    """Version of the first root."""


Verify = Callable[[Question, Files], Answer]


def verify(question: Question, files: Files) -> Answer:
    """Return the newest catalogue in `files`.

    Raises:
        BadSignature: Too few valid signatures, or a file that was not signed for.
        Stale: Something is older than what is held, or files are of different versions.
        Expired: A role's time is over.
        TooNew: It needs a greater capability.
        Malformed: It does not parse, is too large, or breaks a rule.
        Unavailable: A file is not there, or the disk refuses.
    """
    from bartizan_agent import no_fetcher

    no_fetcher.stand_in()
    from bartizan.trust.reading import read_catalogue, small_targets
    from bartizan.trust.tufdata import ROOT, version_and_expiry
    from bartizan_agent import tuf_client

    # From the root that is held, not from the first: keys that a root took away must never count again.
    root = question.held.get(ROOT, question.first_root)
    metadata = tuf_client.verify(root, files, held=question.held, reference_time=question.reference_time)
    targets = small_targets(metadata)
    contents = {path: file(files, name) for path, name in targets.items()}
    catalogue = read_catalogue(metadata, contents, question.capability)
    return Answer(metadata, catalogue, tuple(targets.values()), version_and_expiry(ROOT, question.first_root)[0])


def file(files: Files, name: str) -> bytes:
    """Return a file that must be there.

    Raises:
        Unavailable: It is not.
    """
    try:
        return files[name]
    except KeyError as error:
        raise Unavailable(f"the bundle lacks {name!r}, which is not held either: say hello again") from error
