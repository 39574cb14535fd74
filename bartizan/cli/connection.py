"""Speaking to the controller: who it is, who we are, and what its refusals mean for an exit code."""

import os
import ssl
import tomllib
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import httpx
import msgspec

from bartizan.cli.terminal import Exit, Failed

T = TypeVar("T")

READ_SECONDS = 60.0


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which controller a person works with. Written by `bartizan login`."""

    url: str
    token_file: str
    ca_file: str
    root_file: str = ""
    """The catalogue's root metadata as it was when the estate was founded: what approvals are judged by."""


def profile_path() -> Path:
    """Return where the profile is kept: `BARTIZAN_PROFILE`, or below the user's configuration folder."""
    named = os.environ.get("BARTIZAN_PROFILE")
    return Path(named) if named else Path(click.get_app_dir("bartizan", force_posix=False)) / "profile.toml"


def load_profile() -> Profile:
    """Return the profile.

    Raises:
        Failed: There is none, or it cannot be read.
    """
    path = profile_path()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Profile)
    except FileNotFoundError:
        raise Failed(
            "no controller is known yet: run  bartizan login URL --token-file FILE --ca FILE", Exit.USAGE
        ) from None
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Failed(f"{path} cannot be used ({error}): run `bartizan login` again", Exit.USAGE) from error


class Controller:
    """The controller's API, version 1, as one person."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._client = httpx.Client(
            base_url=f"{profile.url.rstrip('/')}/api/1/",
            headers={"Authorization": f"Bearer {_read(profile.token_file).strip()}", "Accept": "application/json"},
            verify=_context(profile.ca_file),
            timeout=READ_SECONDS,
            trust_env=False,
        )

    def get(self, path: str, kind: type[T], /, **parameters: Any) -> T:
        """Return what is at `path`; parameters that are None are left out."""
        wanted = {name: value for name, value in parameters.items() if value is not None}
        return _decode(self._send("GET", path, params=wanted), kind)

    def post(self, path: str, kind: type[T], body: object = None) -> T:
        """Send `body` as JSON and return the answer."""
        return _decode(self._send("POST", path, **_json(body)), kind)

    def put(self, path: str, kind: type[T], body: object) -> T:
        """Replace what is at `path`."""
        return _decode(self._send("PUT", path, **_json(body)), kind)

    def delete(self, path: str, kind: type[T], **parameters: str) -> T:
        """Take away what is at `path`."""
        return _decode(self._send("DELETE", path, params=parameters), kind)

    def submit(self, path: str, kind: type[T], octets: bytes, **parameters: Any) -> T:
        """Send octets as they are and return the answer; parameters that are None are left out."""
        wanted = {name: value for name, value in parameters.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream"}
        return _decode(self._send("POST", path, content=octets, headers=headers, params=wanted), kind)

    def download(self, path: str, to: IO[bytes], /, **parameters: Any) -> None:
        """Write what is at `path`, however much it is, into a file."""
        wanted = {name: value for name, value in parameters.items() if value is not None}
        try:
            with self._client.stream("GET", path, params=wanted) as response:
                if not response.is_success:
                    response.read()
                    raise Failed(_problem(response), _EXITS.get(response.status_code, Exit.REFUSED))
                for octets in response.iter_bytes():
                    to.write(octets)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def upload(self, path: str, file: Path) -> None:
        """Send a file's octets."""
        with file.open("rb") as octets:
            headers = {"Content-Length": str(file.stat().st_size), "Content-Type": "application/octet-stream"}
            self._send("PUT", path, content=iter(lambda: octets.read(1024 * 1024), b""), headers=headers)

    def close(self) -> None:
        """End the connections, in a program that goes on."""
        self._client.close()

    def trusted_root(self) -> bytes:
        """Return the root metadata that this person trusts.

        Raises:
            Failed: The profile names none, or it cannot be read.
        """
        if not self.profile.root_file:
            raise Failed("signing needs the catalogue's root: run `bartizan login` again with --root FILE", Exit.USAGE)
        return _read(self.profile.root_file).encode()

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_success:
            return response
        raise Failed(_problem(response), _EXITS.get(response.status_code, Exit.REFUSED))

    def _unreachable(self, error: httpx.HTTPError) -> Failed:
        reason = f"{self.profile.url} cannot be reached ({error}): is the controller up, and the CA file its own?"
        return Failed(reason, Exit.UNREACHABLE)


_EXITS = {401: Exit.NOT_ALLOWED, 403: Exit.NOT_ALLOWED, 400: Exit.USAGE, 503: Exit.UNREACHABLE}


class _Problem(msgspec.Struct):
    """An error as the controller tells it (RFC 9457)."""

    detail: str = ""
    title: str = ""


def _problem(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    return problem.detail or problem.title or f"the controller answered {response.status_code}"


def _decode(response: httpx.Response, kind: type[T]) -> T:
    if not response.content:
        return msgspec.convert(None, kind)
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        raise Failed(f"the controller's answer is not understood ({error}): are both of one version?") from error


def _json(body: object) -> dict[str, Any]:
    return {"content": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{path} cannot be read ({error.strerror}): run `bartizan login` again", Exit.USAGE) from error


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Failed(f"{ca_file} is no certificate file ({error}): run `bartizan login` again", Exit.USAGE) from error
