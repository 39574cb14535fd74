"""Asking the controller that runs in a folder, as its administrator, over its own API."""

import ssl
from typing import TypeVar

import click
import httpx
import msgspec

from bartizan_controller.directory import Folder
from bartizan_controller.errors import NotFound, SetUpWrong

ANSWER_SECONDS = 30.0

T = TypeVar("T")


class RunningController:
    """The API of the controller that holds a folder's lock."""

    def __init__(self, folder: Folder) -> None:
        """Find out where it is.

        Raises:
            SetUpWrong: It is just starting or stopping.
        """
        try:
            url = folder.api_url.read_text(encoding="utf-8").strip()
            token = folder.admin_token.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SetUpWrong("a controller is just starting or stopping here: try again in a moment") from error
        self._url = f"{url}/api/1"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._tls = ssl.create_default_context(cafile=str(folder.keys / "ca.pem"))

    def ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Return what the controller answers.

        Raises:
            NotFound: It says so.
            SetUpWrong: It does not answer.
            ClickException: It refuses; the text says why.
        """
        try:
            with httpx.Client(verify=self._tls, trust_env=False, timeout=ANSWER_SECONDS) as client:
                answer = client.request(
                    method, f"{self._url}/{path}", headers=self._headers, content=msgspec.json.encode(body)
                )
        except httpx.HTTPError as error:
            raise SetUpWrong(f"the controller at {self._url} does not answer: look at its log") from error
        if answer.is_success:
            return msgspec.json.decode(answer.content or b"null", type=kind)
        detail = str(answer.json().get("detail", answer.status_code))
        raise NotFound(detail) if answer.status_code == httpx.codes.NOT_FOUND else click.ClickException(detail)
