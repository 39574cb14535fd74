"""`bartizan rollout`: vetted firmware in waves that stop themselves."""

from typing import Any

import click

from bartizan.cli.connection import Controller
from bartizan.cli.following import follow, timeout_option
from bartizan.cli.inventory import Json
from bartizan.cli.options import asking, reason_option
from bartizan.cli.terminal import Exit, Failed, Terminal, when


@click.group()
def rollout() -> None:
    """Rollouts of vetted firmware."""


@rollout.command()
@click.argument("name")
@click.option("--image", required=True, help="A vetted image: its id or file name.")
@click.option("--waves", default="10,50,100", help="Percent done at the end of each wave.", show_default=True)
@click.option("--site", "sites", multiple=True, help="Only at this site. Repeat.")
@click.option("--device", "devices", multiple=True, help="Only this device, by id. Repeat.")
@click.option("--failures", default=10, help="Percent of a wave that may fail.", show_default=True)
@click.option(
    "--minimum-sample", default=1, help="Devices of a wave that have ended before failures stop it.", show_default=True
)
@click.option("--successes", default=100, help="Percent of a wave that must succeed.", show_default=True)
@click.option("--soak-minutes", default=0.0, help="How long a wave is watched before the next.", show_default=True)
@click.option("--per-site", default=1, help="Devices of a site that may be down at once.", show_default=True)
@click.option(
    "--silence-minutes", default=60.0, help="An update not heard of for so long has failed.", show_default=True
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@asking
def start(terminal: Terminal, controller: Controller, name: str, *, image: str, waves: str, **facts: Any) -> None:
    """Begin a rollout, called NAME, of a vetted image to the devices that it suits."""
    body = {
        "id": name,
        "image": _image(controller, image),
        "wave_percents": _percents(waves),
        "sites": facts["sites"],
        "devices": facts["devices"],
        "limits": {
            "success_percent": facts["successes"],
            "failure_percent": facts["failures"],
            "minimum_sample": facts["minimum_sample"],
            "soak_seconds": facts["soak_minutes"] * 60,
            "per_site": facts["per_site"],
            "silence_seconds": facts["silence_minutes"] * 60,
        },
    }
    choice = controller.post("rollouts/preview" if facts["dry_run"] else "rollouts", Json, body)
    if not terminal.as_json:
        for device, reasons in choice["left_out"].items():
            click.echo(f"left out: {device}: {'; '.join(reasons)}")
    terminal.table(
        ("wave", "devices", "first ones"),
        [
            (wave["name"], len(wave["targets"]), " ".join(target["device"] for target in wave["targets"][:5]))
            for wave in choice["intent"]["waves"]
        ],
        value=choice,
        nothing="",
    )


@rollout.command(name="list")
@asking
def list_rollouts(terminal: Terminal, controller: Controller) -> None:
    """List rollouts, the newest first."""
    found = controller.get("rollouts", list[Json])
    terminal.table(
        ("rollout", "state", "image", "by", "since (UTC)", "because"),
        [(r["id"], r["state"], r["image"], r["created_by"], when(r["created_at"]), r["pause_reason"]) for r in found],
        value=found,
        nothing="There are no rollouts. Begin one with: bartizan rollout start NAME --image IMAGE",
    )


@rollout.command()
@click.argument("name")
@asking
def show(terminal: Terminal, controller: Controller, name: str) -> None:
    """Show how rollout NAME is, device by device, and why it waits."""
    state = controller.get(f"rollouts/{name}", Json)
    if not terminal.as_json:
        click.echo(_headline(state))
    terminal.table(
        ("wave", "site", "device", "stage", "since (UTC)", "attempt", "note"),
        _rows(state),
        value=state,
        nothing="no devices",
    )


@rollout.command()
@click.argument("name")
@timeout_option
@asking
def watch(terminal: Terminal, controller: Controller, name: str, timeout: float) -> None:
    """Follow rollout NAME until it ends or stops. Exit code 0 only if it finished."""
    follow(terminal, controller, f"rollouts/{name}", _headline, timeout)


@rollout.command()
@click.argument("name")
@reason_option
@asking
def pause(terminal: Terminal, controller: Controller, name: str, reason: str) -> None:
    """Begin nothing more of rollout NAME until somebody resumes it; what runs is let finish."""
    intent = controller.post(f"rollouts/{name}/pause", Json, {"reason": reason})
    terminal.say(f"{name} is paused", value=intent)


@rollout.command()
@click.argument("name")
@click.option("--retry", is_flag=True, help="Try failed devices once more. They are skipped otherwise.")
@asking
def resume(terminal: Terminal, controller: Controller, name: str, *, retry: bool) -> None:
    """Go on with rollout NAME, having looked at what failed."""
    intent = controller.post(f"rollouts/{name}/resume", Json, {"retry": retry})
    terminal.say(f"{name} goes on", value=intent)


@rollout.command()
@click.argument("name")
@reason_option
@asking
def abort(terminal: Terminal, controller: Controller, name: str, reason: str) -> None:
    """Withdraw what has not begun of rollout NAME, for good."""
    intent = controller.post(f"rollouts/{name}/abort", Json, {"reason": reason})
    terminal.say(f"{name} is aborted", value=intent)


def _image(controller: Controller, wanted: str) -> str:
    images = controller.get("catalogue", Json)["content"]["images"]
    found = [image["id"] for image in images if wanted in (image["id"], image["file_name"])]
    if len(found) != 1:
        known = ", ".join(image["file_name"] for image in images) or "none"
        raise Failed(f"{wanted!r} is not one vetted image; there are: {known}")
    return str(found[0])


def _percents(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise Failed(f"--waves takes percentages, as in 10,50,100; not {text!r}", Exit.USAGE) from None


def _headline(state: Json) -> str:
    done = sum(each["stage"] == "succeeded" for each in state["progress"].values())
    total = sum(len(wave["targets"]) for wave in state["intent"]["waves"])
    said = f"{state['intent']['id']} is {state['intent']['state']}, {done} of {total} done"
    return ": ".join(filter(None, (said, "; ".join(state["waiting"]))))


def _rows(state: Json) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for wave in state["intent"]["waves"]:
        for target in wave["targets"]:
            progress = state["progress"].get(target["device"], {})
            note = " ".join(filter(None, (progress.get("code"), progress.get("note"))))
            rows.append(
                (
                    wave["name"],
                    target["site"],
                    target["device"],
                    progress.get("stage", "pending"),
                    when(progress.get("at")),
                    progress.get("attempt") or "",
                    note,
                )
            )
    return rows
