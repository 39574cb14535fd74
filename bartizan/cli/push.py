"""`bartizan push`: policy that goes out in stages, judged by what gateways read back."""

import click

from bartizan.cli.connection import Controller
from bartizan.cli.following import follow, timeout_option
from bartizan.cli.inventory import Json
from bartizan.cli.options import asking, reason_option
from bartizan.cli.terminal import Exit, Terminal, when

version_argument = click.argument("policy", type=click.IntRange(min=1))


@click.group()
def push() -> None:
    """Policy that goes out in stages: who has it, and what it waits for.

    A push begins when a change is published that was proposed with --canary; POLICY is the version of the policy role
    that goes out, as `bartizan push list` names it.
    """


@push.command(name="list")
@asking
def list_pushes(terminal: Terminal, controller: Controller) -> None:
    """List pushes, the newest first. Exit code 1 if one that is not over has stopped."""
    found = controller.get("pushes", list[Json])
    terminal.table(
        ("policy", "state", "stage", "in force everywhere by (UTC)", "waits for"),
        [_row(each) for each in found],
        value=found,
        nothing="No policy went out in stages. Propose one with: bartizan policy sign FILE --key KEY --canary SITE",
    )
    if any(each["intent"]["state"] == "paused" for each in found):
        raise SystemExit(Exit.REFUSED)


@push.command()
@version_argument
@asking
def show(terminal: Terminal, controller: Controller, policy: int) -> None:
    """Show how the push of version POLICY is, site by site, and how sites differ. Exit code 1 if any does."""
    state = controller.get(f"pushes/{policy}", Json)
    if not terminal.as_json:
        click.echo(headline(state))
    terminal.table(("stage", "site", "is", "since (UTC)", "differs"), rows(state), value=state, nothing="no sites")
    if any(each["differences"] for each in state["sites"].values()):
        raise SystemExit(Exit.REFUSED)


@push.command()
@version_argument
@timeout_option
@asking
def watch(terminal: Terminal, controller: Controller, policy: int, timeout: float) -> None:
    """Follow the push of version POLICY until it ends or stops. Exit code 0 only if every stage agreed."""
    follow(terminal, controller, f"pushes/{policy}", headline, timeout)


@push.command()
@version_argument
@reason_option
@asking
def pause(terminal: Terminal, controller: Controller, policy: int, reason: str) -> None:
    """Tell no further site of version POLICY until somebody resumes, or until the time that was signed."""
    state = controller.post(f"pushes/{policy}/pause", Json, {"reason": reason})
    terminal.say(f"policy {policy} is paused; {_ends(state)}", value=state)


@push.command()
@version_argument
@asking
def resume(terminal: Terminal, controller: Controller, policy: int) -> None:
    """Go on with the push of version POLICY, having looked at the sites that differ."""
    state = controller.post(f"pushes/{policy}/resume", Json, None)
    terminal.say(f"policy {policy} goes on", value=state)


@push.command()
@version_argument
@reason_option
@asking
def abort(terminal: Terminal, controller: Controller, policy: int, reason: str) -> None:
    """Tell no further site of version POLICY, for good.

    Where it is in force it stays so, and everywhere from the time on that was signed. To undo it, publish the former
    documents before that time; with two signatures, as always, and without --canary, so that they are in force at once.
    """
    state = controller.post(f"pushes/{policy}/abort", Json, {"reason": reason})
    terminal.say(
        f"policy {policy} is aborted. Where it is in force it stays, and {_ends(state)}: "
        "to undo it, have two people sign the former documents, and publish them before",
        value=state,
    )


def _ends(state: Json) -> str:
    return f"it is in force everywhere from {when(state['intent']['not_after'])} UTC on"


def headline(state: Json) -> str:
    """Return how a push is, in a sentence. A standby that cannot be judged keeps no site from agreeing."""
    intent = state["intent"]
    missing = {name for each in _waiting(state) for name in each.get("standbys", ())}
    pairs = [set(members) - missing for stage in intent["stages"] for members in _members(stage)]
    done, total = sum(all(_is(state["sites"].get(each, {})) == "agrees" for each in pair) for pair in pairs), len(pairs)
    said = f"policy {intent['policy']} is {intent['state']}, {done} of {total} sites agree"
    return ": ".join(filter(None, (said, _why(state))))


def _waiting(state: Json) -> list[Json]:
    return list((state["plan"] or {}).get("waiting", ()))


def _members(stage: Json) -> list[list[str]]:
    """Return the gateways of each site of a stage, its own first."""
    return [[site, *stage["standbys"].get(site, ())] for site in stage["sites"]]


def _why(state: Json) -> str:
    return str("; ".join(state["waiting"]) or state["intent"]["pause_reason"])


def _row(state: Json) -> tuple[object, ...]:
    intent, plan = state["intent"], state["plan"] or {}
    return intent["policy"], intent["state"], plan.get("stage", ""), when(intent["not_after"]), _why(state)


def rows(state: Json) -> list[tuple[object, ...]]:
    """Return a row for each gateway, those that stand by below that of their site."""
    found: list[tuple[object, ...]] = []
    for stage in state["intent"]["stages"]:
        for site, *beside in _members(stage):
            found.append(_site_row(state, stage, site, site))
            found += [_site_row(state, stage, each, f"{each}, standby of {site}") for each in beside]
    return found


def _site_row(state: Json, stage: Json, gateway: str, title: str) -> tuple[object, ...]:
    known = state["sites"].get(gateway, {})
    return stage["name"], title, _is(known), when(known.get("at")), "; ".join(known.get("differences", ()))


def _is(known: Json) -> str:
    if known.get("differences"):
        return "differs"
    if known.get("in_force"):
        return "agrees"
    return "told" if known.get("told") else "waits"
