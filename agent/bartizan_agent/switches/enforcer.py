"""The enforcer of managed switches: `apply` a whole ruleset, `read` what is in force, `remove_all`.

It takes the same rulesets as the packet filter. The journal is written before the first write to a switch, so that a
crash anywhere leaves a port that the next call finishes or gives back. One switch that is silent stops no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from msgspec.structs import replace

from bartizan.containment.model import Ruleset
from bartizan.ids import Mac
from bartizan.wire import events
from bartizan_agent.errors import BadSettings
from bartizan_agent.notes import Note, note
from bartizan_agent.switches import planning, writing
from bartizan_agent.switches.client import Snmp, SwitchFailed, SwitchRefused
from bartizan_agent.switches.journal import Book, Hold, Setback
from bartizan_agent.switches.outcome import SwitchesEnforced
from bartizan_agent.switches.planning import Plan, Site, Wanted, plan, port_of
from bartizan_agent.switches.reading import View, read
from bartizan_agent.switches.report import report
from bartizan_agent.switches.setting import Setter
from bartizan_agent.switches.settings import SwitchSettings

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 60.0, 3600.0  # after a switch refused to set a port

Open = Callable[[SwitchSettings], AbstractAsyncContextManager[Snmp]]


class Looked(NamedTuple):
    """What the switches say: the views of those that answered, and why the others did not."""

    views: dict[str, View]
    failures: dict[str, str]


class Switches:
    """All managed switches of a site."""

    def __init__(
        self,
        switches: Iterable[SwitchSettings],
        book: Book,
        *,
        opener: Open,
        own_macs: Iterable[Mac],
        now: Callable[[], float],
        tell: Callable[[Note], None],
    ) -> None:
        """Take up the switches.

        Args:
            switches: As configured.
            book: The journal.
            opener: Begins to speak to one.
            own_macs: Of this gateway, whose ports are never touched.
            now: Unix time.
            tell: Takes events.
        """
        self._settings = {each.name: each for each in switches}
        self._book = book
        self._open = opener
        self._own_macs = tuple(own_macs)
        self._now = now
        self._tell = tell

    async def apply(self, ruleset: Ruleset) -> SwitchesEnforced:
        """Make the switches hold exactly the devices of a ruleset that they are configured to hold. Idempotent.

        Raises:
            Unavailable: The journal cannot be written; nothing was set.
        """
        looked = await self._look()
        site = self._site(looked.views, ruleset)
        decided = plan(_wanted(ruleset), site, self._book.journal.holds)
        after = await self._make_so(decided, site, looked)
        return report(
            self._book.journal.holds, decided.refusals, self._site(after.views, ruleset), after.failures, ruleset
        )

    async def read(self, ruleset: Ruleset) -> SwitchesEnforced:
        """Return what the switches hold of a ruleset's devices, and set nothing."""
        looked = await self._look()
        site = self._site(looked.views, ruleset)
        refusals = plan(_wanted(ruleset), site, self._book.journal.holds).refusals
        return report(self._book.journal.holds, refusals, site, looked.failures, ruleset)

    async def remove_all(self) -> SwitchesEnforced:
        """Give every port back as it was. Needs nothing but the journal; what is silent stays in it.

        Raises:
            Unavailable: As for `apply`.
        """
        looked, nothing = await self._look(), Ruleset((), (), ())
        decided = Plan(tuple(planning.unwanted(self._book.journal.holds)), {})
        after = await self._make_so(decided, Site(self._settings, looked.views, {}), looked)
        return report(self._book.journal.holds, {}, self._site(after.views, nothing), after.failures, nothing)

    async def _look(self) -> Looked:
        found = await asyncio.gather(*(self._guarded(each, read) for each in self._settings.values()))
        views = {name: view for name, (view, _) in zip(self._settings, found, strict=True) if view is not None}
        return Looked(views, {name: why for name, (_, why) in zip(self._settings, found, strict=True) if why})

    async def _make_so(self, decided: Plan, site: Site, looked: Looked) -> Looked:
        """Write down what is to be, then set it; return what the switches say then."""
        before = {(hold.switch, hold.port): hold for hold in self._book.journal.holds}
        made = {
            (hold.switch, hold.vlan)
            for hold in decided.holds
            if hold.vlan and hold.switch in site.views and hold.vlan not in site.views[hold.switch].vlans
        }
        made |= set(self._book.journal.made_vlans)
        self._book.keep(replace(self._book.journal, holds=decided.holds, made_vlans=tuple(sorted(made))))
        journal = self._book.journal
        used = {hold.switch for hold in journal.holds} | {switch for switch, _ in journal.made_vlans}
        concerned = [name for name in looked.views if name in used]
        rounds = (self._round(name, site, before) for name in concerned)
        found = await asyncio.gather(*rounds)
        views, failures = dict(looked.views), dict(looked.failures)
        for name, (view, why) in zip(concerned, found, strict=True):
            if view is None:
                del views[name]
            else:
                views[name] = view
            if why:
                failures[name] = why
        return Looked(views, failures)

    async def _round(self, name: str, site: Site, before: Mapping[planning.Key, Hold]) -> tuple[View | None, str]:
        """Set one switch as the journal says; return what it says then, or why it does not."""
        refused: list[str] = []

        async def work(switch: Snmp) -> View:
            setter, view, touched = Setter(switch), site.views[name], False
            for hold in sorted(self._holds_of(name), key=lambda hold: hold.ending):
                todo = _todo(hold, view)
                if not todo or (name, hold.port) in site.barred:
                    continue
                touched = True
                if before.get((name, hold.port)) == hold and hold.settled and not hold.ending:
                    self._tell(_drift(hold, todo))
                try:
                    await self._set(setter, hold, view)
                except SwitchRefused as refusal:
                    refused.append(f"port {hold.port}: {refusal}")
                    await self._set_back(switch, setter, hold, str(refusal))
            view = await read(switch) if touched else view
            await self._settle(name, view, setter)
            return view

        view, why = await self._guarded(self._settings[name], work)
        return view, "; ".join(filter(None, (why, *refused)))

    async def _set(self, setter: Setter, hold: Hold, view: View) -> None:
        port = port_of(hold, view)
        assert port is not None
        for step in writing.steps(view, port.number, hold.target()):
            await setter.do(step, port)

    async def _set_back(self, switch: Snmp, setter: Setter, hold: Hold, reason: str) -> None:
        """Remember that a switch refused. A port that was never held goes back at once: half moved serves nobody."""
        self._remember(hold, reason)
        if hold.settled or hold.ending:
            return
        ending = replace(hold, ending=True)
        self._book.change(hold, ending)
        try:
            await self._set(setter, ending, await read(switch))
        except SwitchRefused:
            return  # the next round tries again

    def _remember(self, hold: Hold, reason: str) -> None:
        journal = self._book.journal
        mine = [each for each in journal.setbacks if (each.switch, each.port) == (hold.switch, hold.port)]
        times = mine[0].times + 1 if mine else 1
        wait = min(FIRST_WAIT_SECONDS * 2 ** (times - 1), LONGEST_WAIT_SECONDS)
        setback = Setback(hold.switch, hold.port, times, self._now() + wait, reason)
        others = tuple(each for each in journal.setbacks if each not in mine)
        self._book.keep(replace(journal, setbacks=(*others, setback)))

    async def _settle(self, name: str, view: View, setter: Setter) -> None:
        """Write down what was read back as it should be, and tell of it."""
        for hold in self._holds_of(name):
            if _todo(hold, view) != ():
                continue
            if hold.ending:
                self._book.change(hold, None)
                self._tell(note(events.SWITCH_PORT_RESTORED, hold.device, switch=name, port=hold.port))
            elif not hold.settled:
                self._book.change(hold, replace(hold, settled=True))
                self._tell(note(events.SWITCH_PORT_HELD, hold.device, switch=name, port=hold.port, how=hold.how()))
        self._forget_setbacks(name, view)
        used = {hold.vlan for hold in self._holds_of(name)}
        for switch, vlan in self._book.journal.made_vlans:
            if switch == name and vlan not in used and vlan in view.vlans:
                await setter.remove_vlan(vlan)
            if switch == name and vlan not in used:
                made = tuple(each for each in self._book.journal.made_vlans if each != (switch, vlan))
                self._book.keep(replace(self._book.journal, made_vlans=made))

    def _forget_setbacks(self, name: str, view: View) -> None:
        """A port that is set as it should be after all counts from the beginning; so does one of long ago."""
        good = {hold.port for hold in self._holds_of(name) if _todo(hold, view) == ()}
        kept = tuple(
            each
            for each in self._book.journal.setbacks
            if (each.switch != name or each.port not in good) and each.again_at + LONGEST_WAIT_SECONDS > self._now()
        )
        self._book.keep(replace(self._book.journal, setbacks=kept))

    def _holds_of(self, name: str) -> list[Hold]:
        return [hold for hold in self._book.journal.holds if hold.switch == name]

    async def _guarded(
        self, settings: SwitchSettings, act: Callable[[Snmp], Awaitable[View]]
    ) -> tuple[View | None, str]:
        """Do something with one switch, within its time; return what it says, or why it does not."""
        try:
            async with asyncio.timeout(settings.round_seconds), self._open(settings) as switch:
                return await act(switch), ""
        except TimeoutError:
            return None, f"it takes longer than {settings.round_seconds:g} s"
        except (SwitchFailed, BadSettings) as error:
            return None, str(error)

    def _site(self, views: Mapping[str, View], ruleset: Ruleset) -> Site:
        now = self._now()
        recorders = (device for device in ruleset.devices if device.recorders)
        protected = {mac: f"the recorder {device.id}" for device in recorders for mac in device.macs}
        protected |= dict.fromkeys(self._own_macs, "this gateway")
        barred = {
            (each.switch, each.port): f"{each.reason}; tried {each.times} times"
            for each in self._book.journal.setbacks
            if each.again_at > now
        }
        return Site(self._settings, views, protected, barred)


def _wanted(ruleset: Ruleset) -> tuple[Wanted, ...]:
    """Recorders keep their port whatever holds them: their cameras depend on it."""
    return tuple(
        Wanted(device.id, device.level, device.macs)
        for device in ruleset.devices
        if device.macs and not device.recorders
    )


def _todo(hold: Hold, view: View) -> tuple[writing.Step, ...] | None:
    """Return what is to be set for a hold; None where its port is not to be found."""
    port = port_of(hold, view)
    return None if port is None else writing.steps(view, port.number, hold.target())


def _drift(hold: Hold, todo: Iterable[writing.Step]) -> Note:
    found = ", ".join(type(step).__name__.lower() for step in todo)
    return note(events.SWITCH_DRIFT, hold.device, switch=hold.switch, port=hold.port, found=found)
