"""The page about every kind of event, read off `bartizan.wire.events`."""

from typing import NamedTuple

from bartizan.wire import events
from bartizan_lab.docstrings import below_names

INTRODUCTION = """\
# Events

An event is something that happened, told once. `bartizan event list --kind KIND` shows those of one kind,
`bartizan event list --follow` all as they come, and `GET /api/1/events` gives them to programs. Each has a number, a time (the
gateway's), a site, where it concerns one a device, and the detail named below; every detail is text.

Gateways keep an event until the controller has committed it, so one may arrive late, but none is told twice.
"""
FIRST_WORD = "Do: "


class Kind(NamedTuple):
    """One kind of event."""

    name: str
    when: str
    """When it is told."""
    detail: dict[str, str]
    """Meaning of each field."""
    advice: str
    """What whoever reads it should do."""

    @property
    def asks(self) -> bool:
        """Whether somebody has to act."""
        return not self.advice.startswith("Nothing")


def event_kinds() -> tuple[Kind, ...]:
    """Return every kind, as the source orders them.

    Raises:
        ValueError: One is not described, or not as this module reads it.
    """
    told = below_names(events)
    return tuple(
        _kind(value, told.get(name, ""))
        for name, value in vars(events).items()
        if name.isupper() and isinstance(value, str)
    )


def event_page() -> str:
    """Return the page, in Markdown."""
    kinds = event_kinds()
    asking = [f"| [{kind.name}](#{_anchor(kind.name)}) | {kind.when} |" for kind in kinds if kind.asks]
    lines = [INTRODUCTION, "## Those that ask for somebody", "", "| event | when |", "|---|---|", *asking, ""]
    return "\n".join([*lines, *(line for kind in kinds for line in _section(kind))])


def _kind(name: str, text: str) -> Kind:
    when, *fields, advice = [" ".join(part.splitlines()) if FIRST_WORD in part else part for part in text.split("\n\n")]
    if len(fields) != 1 or not advice.startswith(FIRST_WORD):
        raise ValueError(f"event {name}: below its name stand when it is told, its details, and what to do ('Do: …')")
    detail = dict(line.split(": ", 1) for line in fields[0].splitlines())
    return Kind(name, " ".join(when.split()), detail, advice.removeprefix(FIRST_WORD))


def _section(kind: Kind) -> list[str]:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in kind.detail.items()]
    return [
        f"## {kind.name}",
        "",
        kind.when,
        "",
        "| detail | |",
        "|---|---|",
        *rows,
        "",
        f"**What to do.** {kind.advice}",
        "",
    ]


def _anchor(name: str) -> str:
    return name.replace(".", "")
