"""Files of the catalogue from a server, one HTTPS connection for all of them, with a bound on all that it may take.

Nothing is believed for having come from there: which files are asked for, and whether they are taken, is decided by
the catalogue's verification. Used by one thread at a time; another may `close` it, and then the first is soon done.
"""

import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, urlsplit

from bartizan.errors import Unavailable
from bartizan_agent.catalogue import FILE_LIMIT, LIMIT

SILENCE_SECONDS = 15.0
LONGEST_SECONDS = 180.0  # for all files: a large catalogue over a slow mobile link
FILES_AT_MOST = 10_000
CHUNK = 64 * 1024


class ServerFiles:
    """A repository on a server, as `CatalogueClient.update` takes it."""

    def __init__(self, base_url: str, tls: ssl.SSLContext, monotonic: Callable[[], float]) -> None:
        """Connect to nothing yet.

        Args:
            base_url: Of the controller's gateway port or of a mirror; `/catalogue/<path>` is asked for below it.
            tls: With the gateway's certificate.
            monotonic: What time it is, in seconds.

        Raises:
            Unavailable: It is no HTTPS address.
        """
        parts = urlsplit(base_url)
        if parts.scheme != "https" or not parts.hostname:
            raise Unavailable(f"{base_url!r} is no address of a catalogue: give images_url as https://host:port")
        self._prefix = f"{parts.path.rstrip('/')}/catalogue/"
        self._connection = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, timeout=SILENCE_SECONDS, context=tls
        )
        self._monotonic = monotonic
        self._ends_at = monotonic() + LONGEST_SECONDS
        self._octets_left = LIMIT
        self._is_closed = False
        self.came: dict[str, bytes] = {}
        """What was fetched, by repository path."""

    def __getitem__(self, path: str) -> bytes:
        """Return a file, or a little more of it than would be accepted.

        Raises:
            KeyError: The server has no such file.
            Unavailable: It does not answer, answers otherwise, or has used up what it may.
        """
        if path not in self.came:
            if len(self.came) >= FILES_AT_MOST:
                raise Unavailable(f"the catalogue has more than {FILES_AT_MOST} files")
            self.came[path] = self._fetch(path)
        return self.came[path]

    def close(self) -> None:
        """End it, even while another thread waits for the server."""
        self._is_closed = True
        connected: socket.socket | None = self._connection.sock
        if connected is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _fetch(self, path: str) -> bytes:
        if self._is_closed:
            raise Unavailable("the agent stops")
        try:
            self._connection.request("GET", self._prefix + quote(path), headers={"Accept-Encoding": "identity"})
            response = self._connection.getresponse()
            content = self._read(response)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: closed by the other thread
            self._connection.close()
            raise Unavailable(
                f"{self._connection.host} does not give {path}: {str(error) or type(error).__name__}"
            ) from error
        if response.status == http.client.NOT_FOUND:
            raise KeyError(path)
        if response.status != http.client.OK:
            raise Unavailable(f"{self._connection.host} answers {response.status} for {path}")
        return content

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        content = bytearray()
        while len(content) < FILE_LIMIT and (chunk := response.read1(CHUNK)):
            content += chunk
            self._octets_left -= len(chunk)
            if self._octets_left < 0 or self._monotonic() > self._ends_at:
                self._connection.close()
                raise Unavailable(f"a catalogue of more than {LIMIT} octets or {LONGEST_SECONDS:.0f} s is not fetched")
        if len(content) >= FILE_LIMIT:  # what is left of it stays unread
            self._connection.close()
        elif response.length:
            raise http.client.IncompleteRead(bytes(content), response.length)
        response.close()
        return bytes(content)
