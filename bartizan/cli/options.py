"""Options that many commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bartizan.cli.connection import Controller, load_profile
from bartizan.cli.terminal import Exit, Failed, Terminal
from bartizan.errors import Malformed
from bartizan.trust.keys import SigningKey, from_pem

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def speaking(command: F) -> Callable[..., Any]:
    """Give a command `--json` and, as its first argument, the terminal that it answers on."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
    @functools.wraps(command)
    def with_terminal(*arguments: Any, as_json: bool, **named: Any) -> Any:
        return command(Terminal(as_json=as_json), *arguments, **named)

    return with_terminal


def asking(command: F) -> Callable[..., Any]:
    """As `speaking`, and give the command the controller as its second argument."""

    @functools.wraps(command)
    def with_controller(terminal: Terminal, *arguments: Any, **named: Any) -> Any:
        return command(terminal, Controller(load_profile()), *arguments, **named)

    return speaking(with_controller)


key_option = click.option(
    "--key",
    "key_file",
    type=PATH,
    required=True,
    envvar="BARTIZAN_KEY",
    show_envvar=True,
    help="Your signing key (PKCS#8 PEM). It never leaves this machine.",
)
note_option = click.option("--note", default="", help="Why, for those who approve.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask; for scripts that have reviewed the change.")
reason_option = click.option("--reason", required=True, help="Why: others will read it.")


def load_key(path: Path) -> SigningKey:
    """Return a signing key; a passphrase is asked for if it has one.

    Raises:
        Failed: It cannot be read.
    """
    try:
        pem = path.read_bytes()
        passphrase = _passphrase(path) if b"ENCRYPTED" in pem else None
        return from_pem(pem, passphrase, holder=path.stem)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
    except Malformed as error:
        raise Failed(f"{path}: {error}", Exit.USAGE) from error


def _passphrase(path: Path) -> bytes:
    answer: str = click.prompt(f"Passphrase of {path.name}", hide_input=True, err=True)
    return answer.encode()
