"""How a change of policy goes out, as it is asked for on the command line."""

import functools
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json
from bartizan.cli.terminal import Exit, Failed, when
from bartizan.ids import SiteId
from bartizan.policy.errors import PolicyError
from bartizan.policy.source import read_selector
from bartizan.trust.push import Push, Wave
from bartizan.trust.reading import PUSH_PATH
from bartizan.trust.tufdata import POLICY
from bartizan.wire import codec

F = TypeVar("F", bound=Callable[..., Any])
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH = re.compile(r"(\d{1,6})([smhd])\Z")
_IS_OVER = ("finished", "ended")


class Length(click.ParamType[float]):
    """A length of time, as in 90s, 30m, 24h or 2d; seconds."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        match = _LENGTH.match(str(value))
        if match is None:
            self.fail(f"{value!r} is no length of time: write 90s, 30m, 24h or 2d", param, ctx)
        return int(match[1]) * UNITS[match[2]]


class Stages(msgspec.Struct, frozen=True):
    """What somebody typed."""

    canary: tuple[str, ...] = ()
    wave: tuple[str, ...] = ()
    soak: float = 0.0
    deadline: float = 0.0
    agree: int = 100
    differ: int = 0
    emergency: bool = False


_OPTIONS = (
    click.option(
        "--canary", multiple=True, metavar="SITE[,SITE]", help="In force here first; everywhere else it waits. Repeat."
    ),
    click.option(
        "--wave",
        multiple=True,
        metavar="PERCENT|SELECTOR",
        help="Then up to so many percent of all sites, or where 'site.tag: school' holds. Repeat; the rest is last.",
    ),
    click.option("--soak", type=Length(), default="30m", show_default=True, help="How long each stage is watched."),
    click.option(
        "--deadline",
        type=Length(),
        default="24h",
        show_default=True,
        help="In force everywhere after so long from now, whatever happens; at most 14d.",
    ),
    click.option(
        "--agree",
        type=click.IntRange(1, 100),
        default=100,
        show_default=True,
        help="Percent of a stage that must agree.",
    ),
    click.option(
        "--differ", type=click.IntRange(0, 99), default=0, show_default=True, help="Percent of a stage that may differ."
    ),
    click.option("--emergency", is_flag=True, help="In force everywhere at once; so it is without --canary, too."),
)


def staging(command: F) -> Callable[..., Any]:
    """Give a command the options of a push, as one argument `stages`."""

    @functools.wraps(command)
    def with_stages(*arguments: Any, **named: Any) -> Any:
        typed = {name: named.pop(name) for name in Stages.__struct_fields__}
        stages = Stages(**typed)
        if stages.emergency and (stages.canary or stages.wave):
            raise Failed("--emergency is everywhere at once: leave out --canary and --wave", Exit.USAGE)
        if stages.wave and not stages.canary:
            raise Failed("--wave needs a --canary before it", Exit.USAGE)
        return command(*arguments, stages=stages, **named)

    decorated: Callable[..., Any] = with_stages
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def push_file(controller: Controller, stages: Stages) -> dict[str, bytes]:
    """Return the target that says how the next version of policy goes out; nothing if it is everywhere at once."""
    present = controller.get("catalogue", Json)
    version, before = int(present["versions"][POLICY]), present["content"].get("push")
    if not stages.canary:
        if before and not _is_over(controller, version):
            click.echo(f"note: {_what_waits(version, before)} goes out everywhere at once with this change", err=True)
        return {}
    push = Push(
        policy=version + 1,
        # Sites of an unfinished push go by what was before it: they have missed nothing that everybody had.
        base=int(before["base"]) if before and not _is_over(controller, version) else version,
        canary=tuple(SiteId(site.strip()) for text in stages.canary for site in text.split(",")),
        not_after=float(int(time.time() + stages.deadline)),
        waves=tuple(_wave(text) for text in stages.wave),
        soak_seconds=stages.soak,
        agree_percent=stages.agree,
        differ_percent=stages.differ,
    )
    return {PUSH_PATH: codec.encode(push)}


def in_a_line(push: Json) -> str:
    """Return how a published version of policy goes out, in a sentence."""
    sites = ", ".join(push["canary"])
    return f"policy {push['policy']} is in force at {sites} first, and everywhere by {when(push['not_after'])} UTC"


def _is_over(controller: Controller, version: int) -> bool:
    known = controller.get("pushes", list[Json])  # it may have been published a moment ago, and not be among them
    states = (each["intent"]["state"] for each in known if each["intent"]["policy"] == version)
    return next(states, "") in _IS_OVER


def _what_waits(version: int, push: Json) -> str:
    return f"policy {version}, which waits at some sites until {when(push['not_after'])} UTC,"


def _wave(text: str) -> Wave:
    if text.strip("% ").isdecimal():
        return Wave(percent=int(text.strip("% ")))
    try:
        return Wave(selector=read_selector(text, "--wave"))
    except PolicyError as error:
        raise Failed(
            f"--wave takes a percentage or a selector, as in 10 or 'site.tag: school'\n{error}", Exit.USAGE
        ) from None
