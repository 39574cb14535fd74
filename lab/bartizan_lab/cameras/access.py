"""Who may log in: digest authentication as cameras do it, and the lock-out of a source that guesses.

Pure: the clock and the nonce secret are parameters. HTTP and RTSP share one `Access` per device, because on the
real ones failures of both count together.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True)
class Allowed:
    """The login was right."""

    user: str


@dataclass(frozen=True)
class Denied:
    """The login was missing, wrong, or came from a source that is locked out."""

    challenge: str
    """The value of `WWW-Authenticate`."""
    locked: bool = False
    attempts_left: int | None = None
    """Before the lock-out; None if this device never locks out."""
    unlock_seconds: float = 0.0


@dataclass(frozen=True)
class Attempt:
    """One request as far as logging in is concerned."""

    method: str
    authorization: str | None
    source: str
    """Address of the client."""


@dataclass
class _Record:
    failures: int = 0
    locked_until: float = 0.0


@dataclass(frozen=True)
class LockOut:
    """After how many failures a source is shut out, and for how long. A limit of 0 is never."""

    limit: int
    seconds: float


class Access:
    """Judges logins against `users`, which the device may change at any time."""

    def __init__(
        self,
        users: Mapping[str, str],
        lock_out: LockOut,
        *,
        now: Callable[[], float],
        secret: bytes,
        basic: bool = False,
    ) -> None:
        self._users = users
        self._lock_out = lock_out
        self._now = now
        self._secret = secret
        self._basic = basic
        self._records: dict[str, _Record] = {}
        self._challenges_answered: set[tuple[str, str]] = set()
        """By source and nonce."""
        self._secrets_judged = Counter[str]()
        """By source."""
        self._nonces = count(1)

    @property
    def logins(self) -> int:
        """How often somebody tried to log in. Answers to one challenge are one login, whatever requests they carry."""
        return len(self._challenges_answered) + self._secrets_judged.total()

    def logins_from(self, source: str) -> int:
        """How often somebody at one address tried to log in."""
        return sum(asker == source for asker, _ in self._challenges_answered) + self._secrets_judged[source]

    def judge(self, attempt: Attempt, realm: str) -> Allowed | Denied:
        """Return whether the request may pass. A request without credentials is asked for them, and costs nothing."""
        if self._is_locked(attempt.source):
            return self._denied(attempt.source, realm)
        scheme, _, rest = (attempt.authorization or "").partition(" ")
        match scheme.lower():
            case "digest":
                return self._judge_digest(attempt, realm, dict(_parameters(rest)))
            case "basic" if self._basic:
                return self._settle(attempt.source, realm, _basic_user(rest, self._users))
            case _:
                return self._denied(attempt.source, realm)

    def shut_out(self, realm: str) -> Denied:
        """Return the answer to a source that is locked out, whoever it is."""
        return Denied(
            self._challenge(realm, stale=False), locked=True, attempts_left=0, unlock_seconds=self._lock_out.seconds
        )

    def judge_secret(self, user: str, source: str, realm: str, *, right: bool) -> Allowed | Denied:
        """Record a login that another scheme has checked (WS-UsernameToken, RPC2) and return what follows."""
        self._secrets_judged[source] += 1
        if self._is_locked(source):
            return self._denied(source, realm)
        return self._settle(source, realm, user if right else None)

    def record_failure(self, source: str) -> None:
        """Count a bad login of another service, such as the SDK port."""
        if not self._lock_out.limit:
            return
        record = self._records.setdefault(source, _Record())
        record.failures += 1
        if record.failures >= self._lock_out.limit:
            record.failures = 0
            record.locked_until = self._now() + self._lock_out.seconds

    def forget(self, secret: bytes) -> None:
        """Begin anew as a reboot does: no source is locked out, nonces of before are stale, logins are counted anew."""
        self._challenges_answered.clear()
        self._secrets_judged.clear()
        self._records.clear()
        self._secret = secret

    def failures(self, source: str) -> int:
        """Return how many bad logins of this source stand against it."""
        record = self._records.get(source)
        return record.failures if record else 0

    def _judge_digest(self, attempt: Attempt, realm: str, given: Mapping[str, str]) -> Allowed | Denied:
        user = given.get("username", "")
        self._challenges_answered.add((attempt.source, given.get("nonce", "")))
        password = self._users.get(user)
        expected = _digest_response(attempt.method, given, realm, password) if password is not None else ""
        right = password is not None and hmac.compare_digest(
            expected.encode(), given.get("response", "").lower().encode()
        )
        if right and not self._is_ours(given.get("nonce", "")):
            # Right by the password, but over a nonce of before the reboot: ask again and count nothing (RFC 7616 3.3).
            return self._denied(attempt.source, realm, stale=True)
        return self._settle(attempt.source, realm, user if right else None)

    def _settle(self, source: str, realm: str, user: str | None) -> Allowed | Denied:
        if user is not None:
            self._records.pop(source, None)
            return Allowed(user)
        self.record_failure(source)
        return self._denied(source, realm)

    def _denied(self, source: str, realm: str, *, stale: bool = False) -> Denied:
        record = self._records.get(source, _Record())
        unlock = max(0.0, record.locked_until - self._now())
        return Denied(
            self._challenge(realm, stale=stale),
            locked=unlock > 0,
            attempts_left=self._lock_out.limit - record.failures if self._lock_out.limit else None,
            unlock_seconds=unlock,
        )

    def _challenge(self, realm: str, *, stale: bool) -> str:
        number = next(self._nonces).to_bytes(8, "big")
        nonce = (number + self._seal(number)).hex()
        return f'Digest qop="auth", realm="{realm}", nonce="{nonce}", stale="{"TRUE" if stale else "FALSE"}"'

    def _is_ours(self, nonce: str) -> bool:
        try:
            octets = bytes.fromhex(nonce)
        except ValueError:
            return False
        return hmac.compare_digest(octets[8:], self._seal(octets[:8]))

    def _seal(self, number: bytes) -> bytes:
        return hmac.digest(self._secret, number, "sha256")[:16]

    def _is_locked(self, source: str) -> bool:
        record = self._records.get(source)
        return record is not None and record.locked_until > self._now()


def _parameters(text: str) -> list[tuple[str, str]]:
    return [(name.lower(), quoted or bare) for name, quoted, bare in _PARAMETER.findall(text)]


def _digest_response(method: str, given: Mapping[str, str], realm: str, password: str) -> str:
    """Return the response that RFC 7616 (or, without qop, RFC 2069) demands for MD5."""
    one = _md5(f"{given.get('username', '')}:{realm}:{password}")
    two = _md5(f"{method}:{given.get('uri', '')}")
    nonce = given.get("nonce", "")
    if "qop" not in given:
        return _md5(f"{one}:{nonce}:{two}")
    return _md5(f"{one}:{nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}:{two}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _basic_user(encoded: str, users: Mapping[str, str]) -> str | None:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if users.get(user) == password else None
