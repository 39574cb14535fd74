"""How a version of policy goes out: who has it first, and whether one gateway puts it in force or still waits.

Two people sign this with the text. So whoever holds the broker or the controller can neither send it to more sites
first than these two named, nor hold it back after the time that they set.
"""

import enum
from collections.abc import Iterable, Iterator

import msgspec

from bartizan.errors import Malformed
from bartizan.ids import SiteId, slug
from bartizan.policy.model import All, Any, Condition, Not, Selector, Subject

LONGEST_SECONDS = 14 * 86400.0
"""Between the preparation of a push and when it is in force everywhere."""
WAVES_AT_MOST = 20
CANARIES_AT_MOST = 1_000
OF_SITES = frozenset({Subject.SITE, Subject.SITE_TAG, Subject.SITE_SENSITIVITY, Subject.ORGANISATION})
"""What waves may be chosen by."""


class Wave(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Sites that are told to go on together, once all before them agree. One of the two is given."""

    percent: int | None = None
    """By the end of this wave, so much of all sites has it."""
    selector: Selector | None = None
    """These sites; only what is declared of sites may be asked for."""


class Push(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stages of one version of the policy role. What no wave covers comes last."""

    policy: int
    """The version that this is about. It says nothing of any other."""
    base: int
    """A gateway that goes by an older version than this has missed one that everybody had: it waits for nothing."""
    canary: tuple[SiteId, ...]
    """Where it is in force at once."""
    not_after: float
    """Unix seconds; from then on it is in force everywhere."""
    waves: tuple[Wave, ...] = ()
    soak_seconds: float = 0.0
    """How long a stage must agree before the next begins."""
    agree_percent: int = 100
    """How many of a stage's sites must read back what is expected before the next begins."""
    differ_percent: int = 0
    """How many may read back something else before everything stops."""


class Waiting(msgspec.Struct, frozen=True):
    """A version of policy at a gateway that goes by an older one."""

    push: Push
    digest: str
    prepared_at: float
    since: float
    """When it came, by this gateway's clock; Unix seconds."""

    @property
    def ends_at(self) -> float:
        """When waiting ends at the latest, by this gateway's clock: a clock that is behind lengthens nothing."""
        return min(self.push.not_after, self.since + self.push.not_after - self.prepared_at)


class Because(enum.Enum):
    """Why a gateway puts the newest policy in force."""

    NOT_STAGED = "not-staged"
    FIRST = "first"
    """It has nothing that it could go by meanwhile."""
    MISSED = "missed"
    """It goes by a version older than `Push.base`."""
    CANARY = "canary"
    ACTIVATED = "activated"
    """An order said so."""
    DEADLINE = "deadline"


def on_arrival(push: Push | None, site: SiteId | None, *, in_force: int) -> Because | None:
    """Return why a gateway puts a version in force when it comes, or None if it is to wait.

    Args:
        push: Of the version that came.
        site: Of the gateway.
        in_force: The version that it goes by; 0 for none.
    """
    if push is None:
        return Because.NOT_STAGED
    if not in_force:
        return Because.FIRST
    if in_force < push.base:
        return Because.MISSED
    return Because.CANARY if site in push.canary else None


def no_longer(waiting: Waiting, activated: Iterable[tuple[int, str]], now: float) -> Because | None:
    """Return why a version waits no longer, or None if it still does.

    Args:
        waiting: What waits.
        activated: Version and digest of what standing orders activate.
        now: Unix seconds, by the clock that `waiting.since` was taken from.
    """
    if (waiting.push.policy, waiting.digest) in activated:
        return Because.ACTIVATED
    return Because.DEADLINE if now >= waiting.ends_at else None


def check_push(push: Push, *, prepared_at: float) -> None:
    """Check that a push makes sense, by itself and with when it was prepared (Unix seconds).

    Raises:
        Malformed: It does not; the text says why.
    """
    problem = next(_problems(push, prepared_at), "")
    if problem:
        raise Malformed(f"the push of policy {push.policy}: {problem}")


def _problems(push: Push, prepared_at: float) -> Iterator[str]:
    if not 1 <= push.base < push.policy:
        yield f"it starts from policy {push.base}, which is none before it"
    if not 1 <= len(push.canary) <= CANARIES_AT_MOST or len(set(push.canary)) != len(push.canary):
        yield f"it needs canary sites, each once, and no more than {CANARIES_AT_MOST}"
    if any(not _is_slug(site) for site in push.canary):
        yield "a canary's name is no site's"
    if not prepared_at < push.not_after <= prepared_at + LONGEST_SECONDS:
        yield f"it must be in force everywhere within {LONGEST_SECONDS / 86400:.0f} days of its preparation"
    if not 0 <= push.soak_seconds <= push.not_after - prepared_at:
        yield "a soak that is longer than the whole push, or negative"
    if not (1 <= push.agree_percent <= 100 and 0 <= push.differ_percent < 100):
        yield "thresholds that are no percentages, 1 to 100 to agree, 0 to 99 to differ"
    yield from _problems_of(push.waves)


def _problems_of(waves: tuple[Wave, ...]) -> Iterator[str]:
    if len(waves) > WAVES_AT_MOST:
        yield f"more than {WAVES_AT_MOST} waves"
    if any((wave.percent is None) == (wave.selector is None) for wave in waves):
        yield "a wave is a percentage or a selector, one of them"
    percents = [wave.percent for wave in waves if wave.percent is not None]
    if percents != sorted(set(percents)) or any(not 1 <= percent <= 100 for percent in percents):
        yield "percentages of waves must rise, from 1 to 100"
    if any(not set(_subjects(wave.selector)) <= OF_SITES for wave in waves if wave.selector is not None):
        yield "a wave is chosen by what is declared of sites: site, site.tag, site.sensitivity, organisation"


def _subjects(selector: Selector) -> Iterator[Subject]:
    match selector:
        case Condition(subject):
            yield subject
        case Not(of):
            yield from _subjects(of)
        case All(of) | Any(of):
            for part in of:
                yield from _subjects(part)


def _is_slug(text: str) -> bool:
    try:
        slug(text)
    except ValueError:
        return False
    return True
