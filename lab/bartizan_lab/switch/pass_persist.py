"""Answers Debian's snmpd for an emulated switch, by its `pass_persist` protocol (snmpd.conf(5)): run by snmpd itself.

    python -m bartizan_lab.switch.pass_persist FILE

Quirks that are none of the state: `slow` (seconds before each answer), `loop` and `endless` (the table of learned
addresses begins again at its end, or never ends).
"""

import bisect
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bartizan_lab.switch import tree
from bartizan_lab.switch.state import SwitchState, arrange, interface_indexes, learned, load, save
from bartizan_lab.switch.tree import Object, Oid
from bartizan_lab.switch.writing import DONE, write

FRESH_SECONDS = 0.3  # for what the kernel learned; one walk asks hundreds of times


class Answers:
    """One switch as snmpd sees it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state = SwitchState()
        self._objects: tuple[Object, ...] = ()
        self._made_at = float("-inf")
        self._made_of = 0

    def get(self, oid: Oid) -> Object | None:
        """Return the instance of this name."""
        self._renew()
        place = bisect.bisect_left(self._objects, (oid,))
        found = self._objects[place] if place < len(self._objects) else None
        return found if found is not None and found.oid == oid else _creatable(oid)

    def next(self, oid: Oid) -> Object | None:
        """Return the first instance after this name."""
        self._renew()
        place = bisect.bisect_right(self._objects, oid, key=lambda each: each.oid)
        found = self._objects[place] if place < len(self._objects) else None
        return self._misled(oid, found)

    def set(self, oid: Oid, value: bytes | int) -> str:
        """Change the switch, and return what to answer."""
        state = load(self._file)
        answer = write(state, oid, value)
        if answer == DONE:
            save(self._file, state)
            arrange(state)
        self._made_at = float("-inf")
        return answer

    def _renew(self) -> None:
        written = self._file.stat().st_mtime_ns
        if written != self._made_of or time.monotonic() - self._made_at > FRESH_SECONDS:
            self._made_of = written
            self._state = load(self._file)
            self._objects = tree.objects(self._state, learned(self._state), interface_indexes())
            self._made_at = time.monotonic()
        time.sleep(float(self._state.quirks.get("slow", "0")))

    def _misled(self, oid: Oid, found: Object | None) -> Object | None:
        column = (*tree.Q_FDB, 2)
        inside = oid[: len(column)] == column
        if "loop" in self._state.quirks and inside and (found is None or found.oid[: len(column)] != column):
            return next(each for each in self._objects if each.oid[: len(column)] == column)
        if "endless" in self._state.quirks and (inside or (found is not None and found.oid[: len(column)] == column)):
            serial = int.from_bytes(bytes(oid[-5:]), "big") + 1 if len(oid) == len(column) + 7 else 1
            return Object((*column, 1, 2, *serial.to_bytes(5, "big")), "integer", "1")
        return found


def main(file: Path, heard: BinaryIO, said: BinaryIO) -> None:
    """Answer until snmpd goes away."""
    answers, lines = Answers(file), _lines(heard)
    for command in lines:
        match command:
            case b"PING":
                answer = b"PONG"
            case b"get":
                answer = _shown(answers.get(_oid(next(lines))))
            case b"getnext":
                answer = _shown(answers.next(_oid(next(lines))))
            case b"set":
                oid = _oid(next(lines))
                answer = answers.set(oid, _value(next(lines))).encode()
            case b"":  # snmpd sends one line more than it documents after a SET
                continue
            case _:
                return
        said.write(answer + b"\n")
        said.flush()


def _creatable(oid: Oid) -> Object | None:
    """Return a row that may be made: snmpd refuses a SET of what no GET finds (its pass_persist knows no creation)."""
    table, rest = oid[: len(tree.STATIC_VLAN)], oid[len(tree.STATIC_VLAN) :]
    if table != tree.STATIC_VLAN or len(rest) != 2:
        return None
    return {2: Object(oid, "octet", "00"), 4: Object(oid, "octet", "00"), 5: Object(oid, "integer", "3")}.get(rest[0])


def _lines(heard: BinaryIO) -> Iterator[bytes]:
    for line in heard:
        yield line.rstrip(b"\n")


def _oid(text: bytes) -> Oid:
    return tuple(int(part) for part in text.decode("ascii").strip(".").split(".") if part)


def _shown(found: Object | None) -> bytes:
    if found is None:
        return b"NONE"
    return f".{'.'.join(map(str, found.oid))}\n{found.type}\n{found.value}".encode()


def _value(text: bytes) -> bytes | int:
    kind, _, value = text.partition(b" ")
    if kind in {b"string", b"octet"}:
        inner = value.strip(b'"')
        return inner if kind == b"string" else bytes.fromhex(inner.decode("ascii"))
    return int(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
