"""HTTP Digest authentication (RFC 7616, RFC 2617) for HTTP and RTSP, without I/O.

Written here because RTSP needs it as well, because a camera's challenge is hostile input, and because every answer
to a challenge is a login attempt that the camera's budget must count.
"""

import hashlib
import re
from collections.abc import Iterable

import msgspec

from bartizan.trust.credentials import Credential

_ALGORITHMS = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
_STRENGTH = tuple(_ALGORITHMS)
_LONGEST_HEADER = 4096  # characters; real challenges are below 400
_SCHEME = re.compile(r"\bdigest\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


class Challenge(msgspec.Struct, frozen=True):
    """What a camera asks to be answered."""

    realm: str
    nonce: str
    algorithm: str = "md5"
    """In lower case."""
    session: bool = False
    """The `-sess` variant of the algorithm."""
    qop: bool = False
    """Whether it offers `auth`; without, RFC 2069 holds."""
    opaque: str | None = None
    stale: bool = False


def strongest(headers: Iterable[str]) -> Challenge | None:
    """Return the strongest digest challenge among `WWW-Authenticate` values that can be answered, if there is one."""
    found = [challenge for header in headers for challenge in _challenges(header[:_LONGEST_HEADER])]
    return max(found, key=lambda challenge: _STRENGTH.index(challenge.algorithm), default=None)


def authorization(
    challenge: Challenge, credential: Credential, *, method: str, uri: str, count: int, cnonce: str
) -> str:
    """Return the `Authorization` value for one request.

    Args:
        challenge: What is answered.
        credential: Who logs in.
        method: HTTP or RTSP method.
        uri: As in the request line.
        count: How often the challenge's nonce was used, this time included.
        cnonce: The client's own random text.
    """

    def hashed(*parts: str) -> str:
        return hashlib.new(
            _ALGORITHMS[challenge.algorithm], ":".join(parts).encode(), usedforsecurity=False
        ).hexdigest()

    secret = hashed(credential.username, challenge.realm, credential.password)
    if challenge.session:
        secret = hashed(secret, challenge.nonce, cnonce)
    times = f"{count:08x}"
    middle = (times, cnonce, "auth") if challenge.qop else ()
    quoted = {
        "username": credential.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "response": hashed(secret, challenge.nonce, *middle, hashed(method, uri)),
    }
    if challenge.opaque is not None:
        quoted["opaque"] = challenge.opaque
    if challenge.qop or challenge.session:
        quoted["cnonce"] = cnonce
    bare = {"algorithm": challenge.algorithm.upper() + ("-sess" if challenge.session else "")}
    if challenge.qop:
        bare |= {"qop": "auth", "nc": times}
    pairs = [f'{name}="{_escaped(value)}"' for name, value in quoted.items()]
    return "Digest " + ", ".join([*pairs, *(f"{name}={value}" for name, value in bare.items())])


def _challenges(header: str) -> list[Challenge]:
    found = []
    for scheme in _SCHEME.finditer(header):
        challenge = _challenge(_parameters(header, scheme.end()))
        if challenge is not None:
            found.append(challenge)
    return found


def _parameters(header: str, position: int) -> dict[str, str]:
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(header, position):
        name, quoted, bare = match.groups()
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if bare is None else bare
        position = match.end()
    return parameters


def _challenge(parameters: dict[str, str]) -> Challenge | None:
    algorithm, _, session = parameters.get("algorithm", "md5").lower().partition("-sess")
    qop = [offer.strip().lower() for offer in parameters.get("qop", "").split(",") if offer.strip()]
    if "nonce" not in parameters or algorithm not in _ALGORITHMS or session:
        return None
    if any(_UNSAFE.search(value) for value in parameters.values()) or (qop and "auth" not in qop):
        return None
    return Challenge(
        realm=parameters.get("realm", ""),
        nonce=parameters["nonce"],
        algorithm=algorithm,
        session="-sess" in parameters.get("algorithm", "").lower(),
        qop=bool(qop),
        opaque=parameters.get("opaque"),
        stale=parameters.get("stale", "").lower() == "true",
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
