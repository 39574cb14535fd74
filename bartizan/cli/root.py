"""The `bartizan` command's root: what it is made of, how it begins and how it ends."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from bartizan import __version__
from bartizan.cli.connection import Controller, Profile, profile_path
from bartizan.cli.ending import Program
from bartizan.cli.options import PATH, asking, speaking
from bartizan.cli.terminal import Exit, Failed, Terminal, when
from bartizan.errors import Unavailable

Json = dict[str, Any]

COMMANDS: dict[str, tuple[str, ...]] = {
    "advisory": ("advisory.advisory",),
    "audit": ("audit.audit",),
    "break-glass": ("break_glass.break_glass",),
    "contain": ("containment.contain",),
    "credentials": ("credentials.credentials",),
    "device": ("devices.device", "hardening.hardening"),
    "estate": ("estate.estate",),
    "event": ("inventory.event",),
    "explain": ("explain.explain",),
    "firmware": ("firmware.firmware",),
    "identify": ("identify.identify",),
    "key": ("keys.key",),
    "order": ("containment.order",),
    "policy": ("policy.policy",),
    "posture": ("posture.posture",),
    "push": ("push.push",),
    "release": ("containment.release",),
    "rollout": ("rollout.rollout",),
    "site": ("inventory.site", "site_show.show"),
    "statement": ("statement.statement",),
    "view": ("views.view",),
}
"""Module and name of each command, and of those that are added to it. Only the one that is called is imported."""


class _Bartizan(Program):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            command, *added = (_imported(path) for path in COMMANDS[cmd_name])
            for each in added:
                command.add_command(each)
            self.add_command(command, cmd_name)
        return super().get_command(ctx, cmd_name)

    def failure(self, error: Exception) -> click.ClickException:
        return Failed(str(error), Exit.UNREACHABLE if isinstance(error, Unavailable) else Exit.REFUSED)


@click.group(cls=_Bartizan, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bartizan")
def bartizan() -> None:
    """Find, contain and patch the network cameras of an estate, and prove it.

    Every command takes --json. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the controller cannot be
    reached, 4 not allowed, 5 genuine but not proven, 130 interrupted.
    """


@bartizan.command()
@click.argument("url")
@click.option("--token-file", type=PATH, required=True, help="A file that holds your API token.")
@click.option("--ca", "ca_file", type=PATH, required=True, help="The controller's CA certificate (PEM).")
@click.option("--root", "root_file", type=PATH, help="The catalogue's root, from the founding; needed for signing.")
@speaking
def login(terminal: Terminal, url: str, *, token_file: Path, ca_file: Path, root_file: Path | None) -> None:
    """Remember which controller you work with. URL as in https://controller.example.org:8443."""
    profile = Profile(
        url=url,
        token_file=str(token_file.resolve()),
        ca_file=str(ca_file.resolve()),
        root_file=str(root_file.resolve()) if root_file else "",
    )
    about = Controller(profile).get("status", Json)
    path = profile_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'{name} = "{getattr(profile, name)}"\n' for name in Profile.__struct_fields__]
    path.write_text("".join(lines), encoding="utf-8")
    terminal.say(f"{url} answers, version {about['version']}; remembered in {path}", value=about)


@bartizan.command()
@asking
def status(terminal: Terminal, controller: Controller) -> None:
    """Say how the controller and the estate are."""
    about = controller.get("status", Json)
    terminal.fields(
        [
            ("controller", f"{controller.profile.url}, version {about['version']}"),
            ("broker", "connected" if about["broker_connected"] else "away"),
            ("sites", about["sites"]),
            ("gateways", f"{about['gateways_connected']} of {about['gateways']} connected"),
            ("devices", about["devices"]),
            ("catalogue", ", ".join(f"{role} {version}" for role, version in about["catalogue"].items())),
            ("expires", when(about["catalogue_expires_at"])),
            *([("break-glass", f"{about['reviews_waiting']} wait for a review")] if about["reviews_waiting"] else []),
            ("refused", f"{about['messages_refused']} messages"),
            ("unheard", f"{about['messages_unheard']} messages"),
            ("store", about["store_refuses"] or "well"),
        ],
        value=about,
    )


def _imported(path: str) -> Any:
    module, _, name = path.partition(".")
    return getattr(import_module(f"bartizan.cli.{module}"), name)


def run() -> None:
    """Run the command and end the process with its exit code."""
    try:
        bartizan.main(standalone_mode=False)
    except click.ClickException as failure:
        failure.show()
        sys.exit(failure.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.INTERRUPTED)
