"""What a site holds: observations merged into known devices, and what changed by it. Pure.

Which observation is of which device: the MAC that the link saw decides. A serial number is followed to another MAC only
once the device is lost, for anybody can claim a serial number. Statements are kept by source, so that what was learned
is not forgotten because one look was silent, and a weak look does not overrule an authenticated read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from bartizan.firmware.match import exposure, findings
from bartizan.firmware.model import Advisory
from bartizan.hardening.rules import assess
from bartizan.identity.directory import Directory
from bartizan.identity.model import Device, Evidence, Fact, Identity, Observation
from bartizan.identity.naming import stable_id
from bartizan.identity.score import identify, serial_number
from bartizan.ids import Address, DeviceId, Mac
from bartizan_agent import changes
from bartizan_agent.changes import Change

LOST_AFTER_SECONDS = 3600.0
SEEN_STEP_SECONDS = 900.0
"""`last_seen` moves in such steps, together for the whole site, so that the report of a quiet site keeps its digest."""

_EVIDENCE_LIMIT = 96  # statements remembered of one device
_ADDRESS_LIMIT = 16
_MAC_LIMIT = 4
_PROBLEM_LIMIT = 12
_SHARES = "shares "  # begins every problem that is found by comparing devices, and so is found anew each time
_MOVING = frozenset({Fact.FIRMWARE, Fact.BUILD_DATE})
"""Facts that change while the device stays what it is."""


class Known(msgspec.Struct, frozen=True):
    """A device, and what its identity rests on. The device is reported; the rest stays on the gateway."""

    device: Device
    evidence: tuple[Evidence, ...] = ()
    open_ports: tuple[int, ...] = ()


class Merged(NamedTuple):
    """The inventory after a merge, and what changed by it, in order."""

    devices: dict[DeviceId, Known]
    changes: tuple[Change, ...]


def merge(
    known: Mapping[DeviceId, Known],
    observations: Iterable[Observation],
    *,
    directory: Directory,
    advisories: tuple[Advisory, ...],
    at: float,
) -> Merged:
    """Return the inventory after some observations, which may be of all devices or of one.

    Args:
        known: The inventory before; not changed.
        observations: As a scan or the watch gives them.
        directory: Makers and fingerprints of the catalogue, or those packaged with the agent.
        advisories: Likewise.
        at: When they were made; Unix seconds.
    """
    observations = tuple(observations)
    merging = _Merging(known, _Judge(directory, advisories), at)
    merging.note_rival_serials(observations)
    for observation in observations:
        merging.take(observation)
    return merging.settled()


def add_evidence(
    known: Mapping[DeviceId, Known],
    device: DeviceId,
    evidence: Iterable[Evidence],
    *,
    directory: Directory,
    advisories: tuple[Advisory, ...],
) -> Merged:
    """Return the inventory after more was learned of one device, as by an authenticated read.

    Raises:
        KeyError: There is no such device.
    """
    before = known[device]
    judged = _Judge(directory, advisories).judge(
        msgspec.structs.replace(before, evidence=remember(before.evidence, evidence))
    )
    return Merged({**known, device: judged}, tuple(changes.differences(before.device, judged.device)))


def judge_again(known: Mapping[DeviceId, Known], *, directory: Directory, advisories: tuple[Advisory, ...]) -> Merged:
    """Return the inventory as a new catalogue sees it: other makers, brands or advisories."""
    judge = _Judge(directory, advisories)
    judged = {device: judge.judge(entry) for device, entry in known.items()}
    different = (
        change for device, entry in known.items() for change in changes.differences(entry.device, judged[device].device)
    )
    return Merged(judged, tuple(different))


def remember(earlier: Iterable[Evidence], said: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return what is known after something more was said.

    A source that speaks of a fact again replaces what it said of it before. Where it says that the firmware is another
    one now, what other sources said of the firmware is out of date, however trustworthy they are.
    """
    earlier, said = tuple(earlier), tuple(said)
    before: dict[tuple[object, Fact], set[str]] = defaultdict(set)
    for old in earlier:
        before[old.source, old.fact].add(old.value)
    has_moved = any(
        new.fact in _MOVING and before.get((new.source, new.fact), {new.value}).isdisjoint({new.value}) for new in said
    )
    spoken = {(new.source, new.fact) for new in said}
    kept = (old for old in earlier if (old.source, old.fact) not in spoken and not (has_moved and old.fact in _MOVING))
    by_weight = sorted(dict.fromkeys((*said, *kept)), key=lambda item: -item.weight)
    return tuple(by_weight[:_EVIDENCE_LIMIT])


class _Judge:
    """Turns evidence into an identity, and that into what the device is open to."""

    def __init__(self, directory: Directory, advisories: tuple[Advisory, ...]) -> None:
        self._directory = directory
        self._advisories = advisories

    def judge(self, entry: Known) -> Known:
        """Return the entry with its device as its evidence shows it."""
        device = entry.device
        identity = self.identity(
            Observation(
                interface=device.interface,
                addresses=device.addresses,
                mac=device.macs[0] if device.macs else None,
                open_ports=entry.open_ports,
                evidence=entry.evidence,
            )
        )
        open_to = exposure(findings(identity, self._advisories))
        judged = msgspec.structs.replace(
            device,
            identity=identity,
            hardening=assess(entry.evidence, entry.open_ports, identity.kind),
            vulnerabilities=open_to.vulnerabilities,
            undecided=open_to.undecided,
        )
        return msgspec.structs.replace(entry, device=judged)

    def identity(self, observation: Observation) -> Identity:
        return identify(observation, self._directory)


class _Merging:
    """One merge in the making."""

    def __init__(self, known: Mapping[DeviceId, Known], judge: _Judge, at: float) -> None:
        self._known = dict(known)
        self._judge = judge
        self._at = at
        self._seen: set[DeviceId] = set()
        self._changes: list[Change] = []
        self._rival_serials: set[str] = set()
        self._by_mac: dict[Mac, list[DeviceId]] = defaultdict(list)
        self._by_address: dict[tuple[str, Address], list[DeviceId]] = defaultdict(list)
        self._by_serial: dict[str, list[DeviceId]] = defaultdict(list)
        for entry in known.values():
            self._index(entry)

    def note_rival_serials(self, observations: Iterable[Observation]) -> None:
        """Find serial numbers that several devices claim at once: none of them is named by it."""
        claims: dict[str, set[Mac | None]] = defaultdict(set)
        for observation in observations:
            for said in observation.evidence:
                if said.fact is Fact.SERIAL:
                    claims[said.value].add(observation.mac)
        self._rival_serials = {serial for serial, macs in claims.items() if len(macs) > 1}

    def take(self, observation: Observation) -> None:
        """Find whose observation it is, and merge it."""
        before = self._find(observation)
        if before is None:
            self._add(observation)
        else:
            self._update(before, observation)

    def settled(self) -> Merged:
        """Look at all devices together: who is lost, and who shares what only one can have."""
        for device in sorted(set(self._known) - self._seen):
            self._lose_if_long_silent(device)
        self._take_from_the_lost()
        self._note_what_is_shared()
        return Merged(self._known, tuple(self._changes))

    def _find(self, observation: Observation) -> Known | None:
        at_address = [
            device for address in observation.addresses for device in self._by_address[observation.interface, address]
        ]
        if observation.mac:
            # Who was there before the link told a MAC, as after an announcement, is the one who has it.
            nameless = (device for device in at_address if not self._known[device].device.macs)
            candidates = [*self._by_mac[observation.mac], *nameless]
        else:
            candidates = at_address
        entries = [self._known[device] for device in dict.fromkeys(candidates)]
        fitting = [entry for entry in entries if not _contradicts(entry.evidence, observation.evidence)]
        # Several devices behind one MAC: a router that answers for them. The address tells them apart.
        fitting.sort(key=lambda entry: set(entry.device.addresses).isdisjoint(observation.addresses))
        return fitting[0] if fitting else self._find_lost(observation)

    def _find_lost(self, observation: Observation) -> Known | None:
        """The same serial number under a new MAC: a repaired board, if the old one is no longer there."""
        serial = serial_number(observation.evidence)
        entries = [self._known[device] for device in self._by_serial.get(serial, ()) if serial]
        lost = [entry for entry in entries if entry.device.lost]
        maker = self._judge.identity(observation).maker if lost else ""
        return next((entry for entry in lost if entry.device.identity.maker == maker), None)

    def _add(self, observation: Observation) -> None:
        serial = serial_number(observation.evidence)
        name = stable_id(observation, Identity(serial=serial))
        if serial in self._rival_serials or self._is_another_there(name, observation.mac):
            name = stable_id(observation, Identity())
        holder = self._known.get(name)
        empty = Known(Device(id=name, identity=Identity(), interface=observation.interface, first_seen=self._at))
        self._put(self._seen_at(empty, observation))
        device = self._known[name].device
        self._changes.extend(changes.differences(holder.device, device) if holder else [changes.found(device)])

    def _is_another_there(self, name: DeviceId, mac: Mac | None) -> bool:
        """Whether the owner of a serial number is there: who else claims it is known by its MAC."""
        holder = self._known.get(name)
        return holder is not None and not holder.device.lost and mac not in holder.device.macs

    def _update(self, before: Known, observation: Observation) -> None:
        after = self._seen_at(before, observation)
        self._put(after)
        self._changes.extend(changes.differences(before.device, after.device))
        self._changes.extend(changes.reset(after.device, before.evidence, after.evidence))

    def _seen_at(self, before: Known, observation: Observation) -> Known:
        device = before.device
        own = tuple(problem for problem in observation.problems if not problem.startswith(_SHARES))
        macs = (*((observation.mac,) if observation.mac else ()), *device.macs)
        return self._judge.judge(
            Known(
                device=msgspec.structs.replace(
                    device,
                    interface=observation.interface,
                    macs=tuple(dict.fromkeys(macs))[:_MAC_LIMIT],
                    addresses=_addresses(device.addresses, observation.addresses),
                    last_seen=max(device.first_seen, self._at // SEEN_STEP_SECONDS * SEEN_STEP_SECONDS),
                    lost=False,
                    problems=own[:_PROBLEM_LIMIT],
                ),
                evidence=remember(before.evidence, observation.evidence),
                open_ports=observation.open_ports or before.open_ports,
            )
        )

    def _put(self, entry: Known) -> None:
        self._known[entry.device.id] = entry
        self._seen.add(entry.device.id)
        self._index(entry)

    def _index(self, entry: Known) -> None:
        device = entry.device
        for mac in device.macs:
            self._by_mac[mac].append(device.id)
        for address in device.addresses:
            self._by_address[device.interface, address].append(device.id)
        self._by_serial[device.identity.serial].append(device.id)

    def _lose_if_long_silent(self, name: DeviceId) -> None:
        device = self._known[name].device
        if not device.lost and self._at - device.last_seen > LOST_AFTER_SECONDS:
            self._replace(name, msgspec.structs.replace(device, lost=True))
            self._changes.append(changes.lost(device))

    def _take_from_the_lost(self) -> None:
        """What a device that is there has, one that is lost has no more: its address was given away, its MAC moved."""
        heirs = [self._known[name].device for name in sorted(self._seen)]
        macs = {mac: device for device in heirs for mac in device.macs}
        places = {place: device for device in heirs for place in _places(device)}
        for name in sorted(set(self._known) - self._seen):
            if self._known[name].device.lost:
                self._hand_over(self._known[name].device, macs, places)

    def _hand_over(
        self, gone: Device, macs: Mapping[Mac, Device], places: Mapping[tuple[str, Address], Device]
    ) -> None:
        taken = [
            *((macs[mac], str(mac)) for mac in gone.macs if mac in macs),
            *((places[place], str(place[1])) for place in _places(gone) if place in places),
        ]
        for heir in sorted({device for device, _ in taken}, key=lambda device: device.id):
            if heir.first_seen >= gone.last_seen:
                self._changes.append(changes.swapped(heir, gone, [what for device, what in taken if device is heir]))
        if taken:
            kept = tuple(mac for mac in gone.macs if mac not in macs)
            left = tuple(place[1] for place in _places(gone) if place not in places)
            self._replace(gone.id, msgspec.structs.replace(gone, macs=kept, addresses=left))

    def _note_what_is_shared(self) -> None:
        holders: dict[tuple[str, str], list[DeviceId]] = defaultdict(list)
        for name, entry in self._known.items():
            for claim in () if entry.device.lost else _unique_claims(entry.device):
                holders[claim].append(name)
        shared: dict[DeviceId, list[str]] = defaultdict(list)
        for (what, value), names in holders.items():
            for name in names if len(names) > 1 else ():
                others = ", ".join(other for other in names if other != name)
                shared[name].append(f"{_SHARES}{what} {value} with {others}")
        for name, entry in self._known.items():
            own = [problem for problem in entry.device.problems if not problem.startswith(_SHARES)]
            problems = tuple((*own, *sorted(shared[name]))[:_PROBLEM_LIMIT])
            if problems != entry.device.problems:
                self._replace(name, msgspec.structs.replace(entry.device, problems=problems))

    def _replace(self, name: DeviceId, device: Device) -> None:
        self._known[name] = msgspec.structs.replace(self._known[name], device=device)


def _contradicts(earlier: Iterable[Evidence], said: Iterable[Evidence]) -> bool:
    """Whether one source has given two serial numbers. Sources differ in how much of it they print."""
    before = defaultdict(set)
    for old in earlier:
        if old.fact is Fact.SERIAL:
            before[old.source].add(old.value)
    return any(
        not any(old.endswith(new.value) or new.value.endswith(old) for old in before[new.source])
        for new in said
        if new.fact is Fact.SERIAL and new.source in before
    )


def _addresses(earlier: tuple[Address, ...], seen: tuple[Address, ...]) -> tuple[Address, ...]:
    """IPv4 follows what was seen; IPv6 addresses add up, for a device has several and shows one at a time.

    IPv4 stands first, for cameras are spoken to there. Beyond that each keeps its place: in another order they would
    be another ruleset, to be loaded, stored and reported.
    """
    has_moved = any(":" not in address for address in seen)
    kept = (address for address in earlier if ":" in address or not has_moved or address in seen)
    held = sorted(dict.fromkeys((*kept, *seen)), key=lambda address: ":" in address)
    excess = len(held) - _ADDRESS_LIMIT
    left_out = [address for address in held if address not in seen][: max(0, excess)]
    return tuple(address for address in held if address not in left_out)[:_ADDRESS_LIMIT]


def _places(device: Device) -> Iterator[tuple[str, Address]]:
    return ((device.interface, address) for address in device.addresses)


def _unique_claims(device: Device) -> Iterator[tuple[str, str]]:
    for mac in device.macs:
        yield "MAC", mac
    for address in device.addresses:
        yield f"address on {device.interface}:", address
    if device.identity.serial:
        yield f"{device.identity.maker} serial number".strip(), device.identity.serial
