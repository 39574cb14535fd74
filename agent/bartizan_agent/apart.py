"""Verifying a catalogue in a child process, so that what it takes is given back whole when it is done.

python-tuf and what it imports are 4 MB, needed a few times a month. The child is forked: it has everything that its
parent has imported already, and shares it. It reads only what it was given and what it asks its parent for, and says
one thing before it ends: the answer, or why there is none. Its parent waits for it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import traceback
import warnings
from contextlib import closing
from typing import NoReturn

import msgspec

from bartizan.errors import BadSignature, BartizanError, Expired, Malformed, Stale, TooNew, Unavailable
from bartizan_agent.verification import Answer, Files, Question, verify

SECONDS = 60.0
"""That a child may be silent; a catalogue takes a fraction of one."""
GRACE_SECONDS = 2.0
"""For a child to end once it has answered, or once nobody waits for its answer any more."""
_SIZE_OCTETS = 4
_ERRORS = {error.__name__: error for error in (BadSignature, Expired, Malformed, Stale, TooNew, Unavailable)}


class Wanted(msgspec.Struct, frozen=True, tag=True):
    """The child needs a file."""

    path: str


class Verified(msgspec.Struct, frozen=True, tag=True):
    """The child's last word where all is well."""

    answer: Answer


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The child's last word where it is not."""

    kind: str
    """Which error of the core; empty for a mistake of the program."""
    reason: str
    because: str
    """What led to it, for the log."""


class InTheChild(Exception):
    """What led to an error there, as the child wrote it down."""


def verify_apart(question: Question, files: Files) -> Answer:
    """Do as `verification.verify` does, in a child. Where this system has no room for one, in this process."""
    ours, its = socket.socketpair()
    with closing(ours):
        with closing(its):
            try:
                child = _fork()
            except OSError:
                return verify(question, files)
            if not child:
                ours.close()
                _answer(its, question)
        try:
            ours.settimeout(SECONDS)
            return _converse(ours, files)
        finally:
            ours.close()  # where it has not answered it hears so, and clears away its files
            _end(child)


def _end(child: int) -> None:
    """Return when it has ended, which is made sure of after a moment."""
    end = os.pidfd_open(child)
    try:
        if not select.select([end], (), (), GRACE_SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(end)
        os.waitpid(child, 0)


def _converse(child: socket.socket, files: Files) -> Answer:
    while True:
        try:
            said = msgspec.msgpack.decode(_hear(child), type=Wanted | Verified | Failed)
        except (OSError, EOFError) as error:
            raise Unavailable("the process that verifies catalogues ended without an answer") from error
        match said:
            case Wanted(path):
                _say(child, _found(files, path))
            case Verified(answer):
                return answer
            case Failed(kind, reason, because):
                raise _ERRORS.get(kind, RuntimeError)(reason) from InTheChild(because)


def _found(files: Files, path: str) -> bytes | None:
    try:
        return files[path]
    except KeyError:
        return None


class _Asked:
    """The parent's files, as the child has them."""

    def __init__(self, parent: socket.socket) -> None:
        self._parent = parent

    def __getitem__(self, path: str) -> bytes:
        _say(self._parent, Wanted(path))
        data = msgspec.msgpack.decode(_hear(self._parent), type=bytes | None)
        if data is None:
            raise KeyError(path)
        return data


def _fork() -> int:
    """Return the child's id; in the child, with nothing left that would reach the parent's event loop, 0."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of other threads' locks. The child takes none of theirs, and is not waited for long.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            gc.disable()  # it would touch every page that is shared with the parent
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _answer(parent: socket.socket, question: Question) -> NoReturn:
    """Be the child."""
    try:
        _say(parent, _last_word(parent, question))
    finally:
        os._exit(0)  # without what the parent has registered for its own end


def _last_word(parent: socket.socket, question: Question) -> Verified | Failed:
    try:
        return Verified(verify(question, _Asked(parent)))
    except BartizanError as error:
        return Failed(type(error).__name__, str(error), traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        return Failed("", repr(error), traceback.format_exc())


def _say(other: socket.socket, word: object) -> None:
    data = msgspec.msgpack.encode(word)
    other.sendall(len(data).to_bytes(_SIZE_OCTETS) + data)


def _hear(other: socket.socket) -> bytes:
    return _exactly(other, int.from_bytes(_exactly(other, _SIZE_OCTETS)))


def _exactly(other: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        some = other.recv(size - len(data))
        if not some:
            raise EOFError
        data += some
    return bytes(data)
