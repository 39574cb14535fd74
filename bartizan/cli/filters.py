"""Options that say which devices a command is about; the same for every command that has them."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bartizan.containment.level import Level
from bartizan.identity.model import Kind

F = TypeVar("F", bound=Callable[..., Any])
Wanted = dict[str, Any]
"""Parameters of the API's device list, without those that nobody gave."""

_LEVELS = click.Choice([level.value for level in Level])
_OPTIONS = (
    click.option("--where", multiple=True, metavar="SELECTOR", help="As in a policy's `when`: 'maker: hikvision'."),
    click.option("--site", multiple=True, help="Only at this site."),
    click.option("--organisation", help="Only of this organisation and those below it."),
    click.option("--maker", multiple=True, help="Only by this maker, as in makers.yaml; 'unknown' for unknown ones."),
    click.option("--brand", multiple=True, help="Only with this badge."),
    click.option("--kind", multiple=True, type=click.Choice([kind.value for kind in Kind]), help="Only this kind."),
    click.option("--model", multiple=True, help="Only this model; 'DS-2CD*' is a pattern."),
    click.option("--firmware", multiple=True, help="Only with this firmware; 'V5.5*' is a pattern."),
    click.option(
        "--firmware-before", metavar="VERSION|DATE", help="Only with older firmware, in the maker's own order."
    ),
    click.option("--jurisdiction", multiple=True, metavar="XX", help="Only by makers of this country, as in CN."),
    click.option("--vulnerable-to", multiple=True, metavar="ADVISORY", help="Only those open to this advisory."),
    click.option("--vulnerable/--not-vulnerable", default=None, help="Only those open to any advisory, or to none."),
    click.option("--first-seen-after", metavar="DATE", help="Only those first seen after this day."),
    click.option("--first-seen-before", metavar="DATE", help="Only those first seen before this day."),
    click.option("--level", type=_LEVELS, help="Only those to be held so."),
    click.option("--enforced", type=_LEVELS, help="Only those that are held so, as measured."),
    click.option("--disagreeing", is_flag=True, help="Only those that are not held as wanted."),
    click.option("--lost/--not-lost", default=None, help="Only those not seen for long, or only the others."),
    click.option("--text", help="Only those with all these words in id, make, model, firmware, MAC or address."),
)


def filtering(command: F) -> Callable[..., Any]:
    """Give a command the options of the device list, as one argument `wanted`."""

    @functools.wraps(command)
    def with_wanted(*arguments: Any, disagreeing: bool, **named: Any) -> Any:
        wanted: Wanted = {name: named.pop(name) for name in _NAMES}
        wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in wanted.items()}
        wanted = {name: value for name, value in wanted.items() if value not in (None, [], "")}
        if disagreeing:
            wanted["agrees"] = False
        return command(*arguments, wanted=wanted, **named)

    decorated: Callable[..., Any] = with_wanted
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_NAMES = (
    "where",
    "site",
    "organisation",
    "maker",
    "brand",
    "kind",
    "model",
    "firmware",
    "firmware_before",
    "jurisdiction",
    "vulnerable_to",
    "vulnerable",
    "first_seen_after",
    "first_seen_before",
    "level",
    "enforced",
    "lost",
    "text",
)
