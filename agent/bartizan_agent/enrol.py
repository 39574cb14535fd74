"""Enrolment: from a one-time token to an identity, a first root of trust and a configuration. Once per gateway.

The token holds the hash of the controller's CA certificate. The controller shows that certificate in the handshake;
only then is it trusted, and only then is the token's secret sent. Everything is made in a folder of its own and moved
into place at the end, so that a failure on the way leaves nothing behind and changes nothing.
"""

import hashlib
import shutil
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bartizan.errors import BartizanError, Malformed, Refused, Unavailable
from bartizan.trust.enrolment import Token, is_pinned, read_token
from bartizan.wire import codec
from bartizan.wire.enrolment import Enrolment, EnrolmentRequest
from bartizan_agent import confirmation
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.durable import replace_file
from bartizan_agent.errors import EnrolmentFailed
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, Interface, SegmentSettings, Settings, load, render

SECONDS = 20.0  # for connecting, and again for the answer
ANSWER_LIMIT = 1024 * 1024  # octets


class Problem(msgspec.Struct):
    """What the controller says went wrong (RFC 9457)."""

    detail: str = ""


def enrol(
    url: str, token_text: str, interfaces: Sequence[Interface], *, places: Places, configuration: Path, replace: bool
) -> Settings:
    """Bring this gateway into the estate and return its settings.

    Args:
        url: Of the controller's API, `https://host:port`.
        token_text: The token, as pasted.
        interfaces: Those that the cameras are on.
        places: Of the state folder.
        configuration: The file to write.
        replace: Give up an enrolment that is here already.

    Raises:
        EnrolmentFailed: With what to do about it. Nothing was changed here.
    """
    _check_not_enrolled(places, configuration, replace=replace)
    try:
        token = read_token(token_text)
    except Malformed as error:
        raise EnrolmentFailed(str(error)) from error
    host, port = _address(url)
    making = Places(places.state / ".enrolling")
    shutil.rmtree(making.state, ignore_errors=True)
    try:
        enrolment = _exchange(host, port, token, token_text, IdentityKeys(making.keys))
        _keep(enrolment, token, making)
        settings = _settings(enrolment, interfaces)
        _move_into_place(making, places, configuration, settings)
    except (Unavailable, OSError) as error:
        raise EnrolmentFailed(f"{error}; the token may be used up, so ask for a new one") from error
    finally:
        shutil.rmtree(making.state, ignore_errors=True)
    return settings


def _check_not_enrolled(places: Places, configuration: Path, *, replace: bool) -> None:
    if not replace and (configuration.exists() or IdentityKeys(places.keys).certificate_file.exists()):
        raise EnrolmentFailed("this gateway is enrolled already; to give that up and enrol it anew, add --replace")


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as error:
        raise EnrolmentFailed(f"{url!r} is no address: give it as https://host:port") from error
    if parts.scheme != "https" or not host:
        raise EnrolmentFailed(f"{url!r} is no address: give it as https://host:port")
    return host, port


def _exchange(host: str, port: int, token: Token, token_text: str, keys: IdentityKeys) -> Enrolment:
    context = _pinned_context(host, port, token)
    keys.make_missing()
    request = EnrolmentRequest(token_text.strip(), keys.csr(token.site), keys.sealing_key())
    status, answer = _post(host, port, context, codec.encode(request))
    if status != 201:
        raise EnrolmentFailed(_refusal(status, answer))
    try:
        return codec.decode(answer, Enrolment, ANSWER_LIMIT)
    except Malformed as error:
        raise EnrolmentFailed(
            "the answer is no enrolment: is this the controller's API, and of this version?"
        ) from error


def _pinned_context(host: str, port: int, token: Token) -> ssl.SSLContext:
    """Return a context that trusts the CA that the token names, as the server itself shows it."""
    chain = _shown_chain(host, port)
    authority = next((der for der in chain if hashlib.sha256(der).digest() == token.ca_sha256), None)
    if authority is None:
        raise EnrolmentFailed(
            f"{host}:{port} is not the controller that this token is from: its certificate is of another authority."
            " Check the address, and whether something on the way intercepts TLS"
        )
    _check_clock(x509.load_der_x509_certificate(chain[0]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=x509.load_der_x509_certificate(authority).public_bytes(Encoding.PEM).decode())
    return context


def _shown_chain(host: str, port: int) -> list[bytes]:
    """Return the certificates that a server shows, DER, its own first. Nothing of it is trusted yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            # Public from Python 3.13 on, as `SSLSocket.get_unverified_chain`.
            shown = secured._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]  # noqa: SLF001
            return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in shown]
    except ssl.SSLError as error:
        raise EnrolmentFailed(f"{host}:{port} does not speak TLS: is it the controller's API port?") from error
    except OSError as error:
        raise EnrolmentFailed(
            f"{host}:{port} cannot be reached ({error.strerror or error}): check the address, the route and firewalls"
        ) from error


def _check_clock(certificate: x509.Certificate) -> None:
    now, begins, ends = datetime.now(UTC), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now <= ends:
        raise EnrolmentFailed(
            f"by this gateway's clock it is {now:%Y-%m-%d %H:%M} UTC, and the controller's certificate holds from"
            f" {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M}: set the clock (`timedatectl`), then try again"
        )


def _post(host: str, port: int, context: ssl.SSLContext, body: bytes) -> tuple[int, bytes]:
    import httpx

    authority = f"[{host}]" if ":" in host else host
    try:
        answer = httpx.post(
            f"https://{authority}:{port}/api/1/enrol",
            content=body,
            headers={"Content-Type": "application/json"},
            verify=context,
            timeout=SECONDS,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise EnrolmentFailed(_tls_or_network(host, error)) from error
    return answer.status_code, answer.content[: ANSWER_LIMIT + 1]


def _tls_or_network(host: str, error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"the controller's certificate does not hold for {host!r}: use the name it was set up with ({error})"
    return f"the controller did not answer: {error}"


def _refusal(status: int, answer: bytes) -> str:
    try:
        said = codec.decode(answer, Problem).detail
    except Malformed:
        said = ""
    if status == 403:
        return "the controller does not accept this token: it is wrong, used already or expired. Ask for a new one"
    if status in {404, 405}:
        return "there is no enrolment at this address: is it the controller's API, and of this version?"
    return f"the controller answered {status}{': ' if said else ''}{said}"


def _keep(enrolment: Enrolment, token: Token, making: Places) -> None:
    """Keep what the controller gave, once it is known to be what the token promised."""
    try:
        is_promised = enrolment.site == token.site and is_pinned(token, enrolment.ca.encode())
        IdentityKeys(making.keys).install(enrolment.certificate, enrolment.ca, token.site)
        keep_first_root(making.catalogue, enrolment.root)
    except Refused as error:
        raise EnrolmentFailed(f"what the controller gave does not hold together: {error}") from error
    if not is_promised:
        raise EnrolmentFailed("the answer is not for this token; nothing was kept. Ask for a new token")


def _settings(enrolment: Enrolment, interfaces: Sequence[Interface]) -> Settings:
    return Settings(
        site=enrolment.site,
        controller=ControllerSettings(
            broker_host=enrolment.mqtt_host, broker_port=enrolment.mqtt_port, images_url=enrolment.gateway_url
        ),
        segments=tuple(SegmentSettings(interface) for interface in dict.fromkeys(interfaces)),
    )


def _move_into_place(making: Places, places: Places, configuration: Path, settings: Settings) -> None:
    """Put everything where the agent looks for it; the configuration last, because it is what makes it enrolled."""
    former = _former_site(configuration)
    configuration.unlink(missing_ok=True)
    for old in (places.keys, places.catalogue, places.orders):
        shutil.rmtree(old, ignore_errors=True)
    places.credentials.unlink(missing_ok=True)
    if former not in (None, settings.site) and places.store.exists():
        # Events and devices of another site must not be told as this one's.
        places.store.rename(places.store.with_name(f"{places.store.name}.of-{former}-{time.time():.0f}"))
    making.keys.rename(places.keys)
    making.catalogue.rename(places.catalogue)
    confirmation.expect(places, settings.controller.broker_host, settings.controller.broker_port)
    replace_file(configuration, render(settings).encode())


def _former_site(configuration: Path) -> str | None:
    try:
        return load(configuration).site
    except BartizanError:
        return None
