"""Proposing, reviewing, signing and publishing changes of the catalogue. Keys stay on this machine."""

from pathlib import Path
from typing import Any

import click
import msgspec

from bartizan.cli import preview, stages
from bartizan.cli.connection import Controller
from bartizan.cli.options import load_key
from bartizan.cli.terminal import Failed, Terminal, when
from bartizan.errors import Refused
from bartizan.firmware.model import Image
from bartizan.trust.approval import Approval, signing_payload
from bartizan.trust.catalogue import RoleKeys
from bartizan.trust.keys import SigningKey
from bartizan.trust.review import Description, Review, describe
from bartizan.trust.tufdata import POLICY


class _Change(msgspec.Struct):
    """A change as the controller hands it out. Its own description of it is not believed."""

    id: str
    review: Review


class Proposal(msgspec.Struct, frozen=True):
    """The next version of a role, as somebody wants it."""

    role: str
    """`root`, `targets`, `policy` or `firmware`."""
    files: dict[str, bytes] = {}
    """New or replaced small targets, by target path."""
    images: tuple[Image, ...] = ()
    remove: tuple[str, ...] = ()
    signers: dict[str, RoleKeys] = {}
    """Who may sign from now on, where that changes."""
    note: str = ""


def propose(terminal: Terminal, controller: Controller, proposal: Proposal, key_file: Path) -> str:
    """Propose a change and sign it with the proposer's key; return its name.

    Raises:
        Failed: The key does not count, or what the controller made of it cannot be verified. Nothing is left waiting.
    """
    key = load_key(key_file)
    body = {**msgspec.structs.asdict(proposal), "prepared_by": key.id}
    change: str = controller.post("catalogue/changes", dict[str, Any], body)["id"]
    try:
        review = controller.get(f"catalogue/changes/{change}", _Change).review
        _verified(controller, review)
        preview.tell_in_a_line(terminal, controller, change)
        approval = _add_signature(controller, change, review, key)
    except Failed:
        controller.delete(f"catalogue/changes/{change}", type(None))
        raise
    _tell(terminal, change, approval)
    return change


def sign_change(terminal: Terminal, controller: Controller, change: str, key_file: Path, *, yes: bool) -> Approval:
    """Show what a change does, verified on this machine, ask, and sign it."""
    key = load_key(key_file)
    review = controller.get(f"catalogue/changes/{change}", _Change).review
    description = _verified(controller, review)
    if not terminal.as_json:
        _show(description)
    preview.tell_in_a_line(terminal, controller, change)
    if not yes and not click.confirm("Sign this change?", err=True):
        raise Failed("not signed")
    approval = _add_signature(controller, change, review, key)
    _tell(terminal, change, approval)
    return approval


def publish(terminal: Terminal, controller: Controller, change: str, together_with: tuple[str, ...] = ()) -> None:
    """Publish an approved change, or several that only make sense together."""
    for each in (change, *together_with):
        preview.tell_in_a_line(terminal, controller, each)
    body = {"together_with": together_with}
    versions = controller.post(f"catalogue/changes/{change}/publish", dict[str, int], body)
    said = ", ".join(f"{role} {version}" for role, version in sorted(versions.items()))
    terminal.say(f"published: {said}", value={"published": change, "versions": versions})
    if terminal.as_json or not change.startswith(f"{POLICY}-"):
        return
    if push := controller.get("catalogue", dict[str, Any])["content"].get("push"):
        click.echo(f"{stages.in_a_line(push)}; follow it with: bartizan push watch {push['policy']}")


def _verified(controller: Controller, review: Review) -> Description:
    try:
        return describe(review, controller.trusted_root())
    except Refused as refusal:
        raise Failed(f"do not sign: what the controller shows cannot be verified: {refusal}") from refusal


def _add_signature(controller: Controller, change: str, review: Review, key: SigningKey) -> Approval:
    signature = key.sign(signing_payload(review.role, review.proposed))
    body = {"key": key.id, "signature": signature}
    return controller.post(f"catalogue/changes/{change}/signatures", Approval, body)


def _show(description: Description) -> None:
    click.echo(f"{description.role} {description.version}, prepared by {description.prepared_by}")
    click.echo(f"prepared at {when(description.prepared_at)}, expires {when(description.expires_at)}")
    if description.note:
        click.echo(f"note: {description.note}")
    for line in description.lines():
        click.echo(f"  {line}")


def _tell(terminal: Terminal, change: str, approval: Approval) -> None:
    waits = "publication: bartizan policy publish " + change if approval.complete else approval.reason
    terminal.say(
        f"{change}: signed by {', '.join(approval.holders)}; waits for {waits}",
        value={"change": change, "approval": approval},
    )
