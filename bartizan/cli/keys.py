"""`bartizan key`: signing keys, who may sign, and exchanging them. A private key never leaves the machine it is on."""

import os
import secrets
from pathlib import Path

import click
import msgspec

from bartizan.cli import signing
from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json
from bartizan.cli.options import PATH, asking, key_option, note_option, speaking
from bartizan.cli.signing import Proposal
from bartizan.cli.terminal import Exit, Failed, Terminal, when
from bartizan.errors import Malformed
from bartizan.trust import keys
from bartizan.trust.catalogue import RoleKeys
from bartizan.trust.keys import PublicKey
from bartizan.trust.tufdata import DELEGATED, POLICY, ROOT, TARGETS

APPROVERS = "approvers"
"""What people call those who sign policy and firmware: the same keys for both."""


@click.group()
def key() -> None:
    """Signing keys: make one, see who may sign, exchange them, prolong what they signed."""


@key.command()
@click.argument("file", type=PATH)
@click.option("--no-passphrase", is_flag=True, help="Leave the key unprotected, for media that are locked away.")
@speaking
def new(terminal: Terminal, file: Path, *, no_passphrase: bool) -> None:
    """Make a key in FILE, and its public half in FILE.pub. FILE is called after its holder: approver-4.pem.

    Give the .pub to whoever proposes that the key should count: `bartizan key change`.
    """
    passphrase = None if no_passphrase else _new_passphrase()
    made = keys.from_seed(secrets.token_bytes(32), holder=file.stem)
    _write_private(file, made.pem(passphrase))
    public = file.with_name(f"{file.name}.pub")
    public.write_bytes(msgspec.json.encode(made.public) + b"\n")
    terminal.say(
        f"{file} is made, with {public}; its id is {made.id[:16]}", value={"id": made.id, **_told(made.public)}
    )


@key.command(name="list")
@asking
def list_signers(terminal: Terminal, controller: Controller) -> None:
    """List who may sign what, how many must, and when what they signed expires."""
    signers = _signers(controller)
    expires = controller.get("catalogue", Json)["expires_at"]
    terminal.table(
        ("role", "needs", "expires (UTC)", "holders"),
        [
            (role, rule.threshold, when(expires[role]), ", ".join(each.holder or each.id[:16] for each in rule.keys))
            for role, rule in signers.items()
        ],
        value={
            role: {
                "threshold": rule.threshold,
                "expires_at": expires[role],
                "keys": [{"id": each.id, **_told(each)} for each in rule.keys],
            }
            for role, rule in signers.items()
        },
        nothing="",
    )


@key.command()
@click.argument("role", type=click.Choice(["root", "targets", "policy", "firmware"]))
@key_option
@note_option
@asking
def renew(terminal: Terminal, controller: Controller, role: str, *, key_file: Path, note: str) -> None:
    """Propose what ROLE holds once more, as it is, so that it lasts another year.

    Another person signs it with `bartizan policy sign --change`; then publish it.
    """
    signing.propose(terminal, controller, Proposal(role, note=note or f"prolong {role}"), key_file)


@key.command()
@click.argument("role", type=click.Choice(["root", "targets", APPROVERS]))
@click.option("--add", "added", type=PATH, multiple=True, help="A public key (.pub) that is to count. Repeat.")
@click.option("--remove", "removed", multiple=True, help="A holder whose key is not to count any more. Repeat.")
@key_option
@note_option
@asking
def change(
    terminal: Terminal,
    controller: Controller,
    role: str,
    *,
    added: tuple[Path, ...],
    removed: tuple[str, ...],
    key_file: Path,
    note: str,
) -> None:
    """Propose other keys for ROLE, with your signature.

    Keys of root and targets are exchanged by holders of root keys, the old and the new; approvers by holders of targets
    keys. What a removed approver signed has to be signed again and published with it: propose `bartizan key renew
    policy` and `firmware` as well, and name them to `bartizan policy publish --with`.
    """
    if not added and not removed:
        raise Failed("say which keys to --add or --remove; `bartizan key list` shows who counts", Exit.USAGE)
    present = _signers(controller)[POLICY if role == APPROVERS else role]
    unknown = set(removed) - {each.holder for each in present.keys}
    if unknown:
        raise Failed(f"{', '.join(sorted(unknown))}: no key of {role} is held by that name", Exit.USAGE)
    kept = [each for each in present.keys if each.holder not in removed]
    wanted = RoleKeys((*kept, *map(_read_public, added)), present.threshold)
    signers = dict.fromkeys(DELEGATED, wanted) if role == APPROVERS else {role: wanted}
    proposal = Proposal(TARGETS if role == APPROVERS else ROOT, signers=signers, note=note or f"other keys for {role}")
    signing.propose(terminal, controller, proposal, key_file)


def _new_passphrase() -> bytes:
    answer: str = click.prompt("Passphrase of the new key", hide_input=True, confirmation_prompt=True, err=True)
    return answer.encode()


def _signers(controller: Controller) -> dict[str, RoleKeys]:
    return controller.get("catalogue/signers", dict[str, RoleKeys])


def _told(public: PublicKey) -> dict[str, str]:
    return {"holder": public.holder, "public": public.public}


def _read_public(path: Path) -> PublicKey:
    try:
        public = msgspec.json.decode(path.read_bytes(), type=PublicKey)
        keys.public_octets(public.public)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
    except (msgspec.MsgspecError, Malformed) as error:
        raise Failed(f"{path} is no public key: give the .pub that `bartizan key new` made", Exit.USAGE) from error
    return public


def _write_private(path: Path, pem: bytes) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - made private
            file.write(pem)
    except FileExistsError as error:
        raise Failed(f"{path} is there already: no key is ever overwritten", Exit.USAGE) from error
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from error
