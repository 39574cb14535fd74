"""Nothing that an operator can type, set, ask for or be told is without a word of explanation."""

import ast
import re
from pathlib import Path

import msgspec
import pytest

from bartizan.wire import events
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import Driver, Tier
from bartizan_agent.settings import Settings
from bartizan_controller.config import Config
from bartizan_lab.api_reference import routes
from bartizan_lab.cameras.registry import KINDS
from bartizan_lab.command_reference import Command, all_commands
from bartizan_lab.event_reference import event_kinds
from bartizan_lab.generate import GENERATED, ROOT, Generated
from bartizan_lab.settings_reference import settings_of
from bartizan_lab.support_reference import emulated_as

TELLING = sorted(path for package in ("agent", "controller") for path in (ROOT / package).rglob("*.py"))
HEADINGS = [
    "Wire format",
    "How it is recognised",
    "What is read",
    "What is written, and how it is confirmed",
    "Lock-out and login budget",
    "Which version is newer",
    "Sources, and how sure they are",
    "Known limits",
]
SHORTEST = 10  # characters that can explain anything


@pytest.mark.parametrize("generated", GENERATED, ids=lambda item: item.path)
def test_what_is_generated_is_up_to_date(generated: Generated) -> None:
    """`make generate` writes it."""
    assert (ROOT / generated.path).read_text(encoding="utf-8") == generated.text()


@pytest.mark.parametrize("kind", [Settings, Config])
def test_every_setting_is_explained(kind: type[msgspec.Struct]) -> None:
    """Below each field of a configuration stands what it means; the page has an entry for it."""
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")

    assert [setting.name for setting in settings_of(kind) if len(setting.meaning) < SHORTEST] == []
    assert [setting.name for setting in settings_of(kind) if f"| `{setting.name}` |" not in page] == []


@pytest.mark.parametrize("command", tuple(all_commands()), ids=lambda command: command.path)
def test_every_command_and_option_is_explained(command: Command) -> None:
    """Each has a sentence of help; an argument without help of its own is named in its command's."""
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    unexplained = [
        parameter.typed
        for parameter in command.parameters
        if len(parameter.meaning) < SHORTEST
        and not any(name in command.help for name in (parameter.names[0].upper(), parameter.typed.strip("[].")))
    ]

    assert len(command.help) >= SHORTEST
    assert unexplained == []
    assert f"# {command.path}\n" in page


def test_every_route_is_explained() -> None:
    """Each has a summary and a promise, and is in the page and in the OpenAPI document with both."""
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    paths = msgspec.json.decode((ROOT / "schemas/openapi.json").read_bytes())["paths"]

    assert [route.path for route in routes() if not route.summary or len(route.meaning) < SHORTEST] == []
    assert [route.path for route in routes() if f"| {route.method} | `{route.path}` |" not in page] == []
    assert [r.path for r in routes() if not paths[r.path][r.method.lower()].get("description")] == []


def test_every_kind_of_event_is_explained_and_told_by_somebody() -> None:
    page = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in TELLING)
    names = {value: name for name, value in vars(events).items() if isinstance(value, str) and value in events.ALL}

    assert {kind.name for kind in event_kinds()} == events.ALL
    assert [kind.name for kind in event_kinds() if f"\n## {kind.name}\n" not in page] == []
    assert [kind for kind, name in names.items() if f"events.{name}" not in sources] == []


def test_the_details_of_events_are_explained() -> None:
    """Whatever is given to `note(events.KIND, …, name=…)` by its name is among the details that are explained."""
    explained = {kind.name: set(kind.detail) for kind in event_kinds()}
    told = [each for path in TELLING for each in details_told(path)]

    assert len(told) > len(events.ALL) / 2
    assert [(kind, details - explained[kind]) for kind, details in told if details - explained[kind]] == []


def details_told(path: Path) -> list[tuple[str, set[str]]]:
    """The event kinds that a module tells of in so many words, each with the names of its details."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [
        (getattr(events, call.args[0].attr), {word.arg for word in call.keywords if word.arg})
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "note" and call.args
        if isinstance(call.args[0], ast.Attribute) and ast.unparse(call.args[0].value) == "events"
    ]


def test_every_driver_is_listed_with_its_evidence() -> None:
    page = (ROOT / "SUPPORTED.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "agent/bartizan_agent/drivers").glob("*/driver.py")}

    assert {driver.name for driver in DRIVERS} == folders
    assert [driver.name for driver in DRIVERS if f"| [{driver.name}](" not in page] == []


def test_the_evidence_is_what_the_tests_really_update() -> None:
    """SUPPORTED.md names, for drivers that update, the kinds that tests/updates drives through whole updates."""
    tested = (ROOT / "tests/updates/test_emulated_cameras.py").read_text(encoding="utf-8")
    named = {kind for driver in DRIVERS if driver.tier is Tier.UPDATES for kind in emulated_as(driver)}

    assert named <= set(KINDS)
    assert [kind for kind in sorted(named) if f'"{kind}"' not in tested] == []


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_a_tier_is_what_the_driver_really_does(driver: Driver) -> None:
    """Who updates says how its models take images and how it writes them; nobody else is ever given one."""
    updates = driver.tier is Tier.UPDATES

    assert bool(driver.families) is updates
    assert (type(driver).write is not Driver.write) is updates


@pytest.mark.parametrize("name", [driver.name for driver in DRIVERS])
def test_every_driver_answers_the_same_questions(name: str) -> None:
    """Its README has the fixed headings, in order, and something below each."""
    text = (ROOT / "agent/bartizan_agent/drivers" / name / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)

    assert "Say here:" not in text, "the skeleton's questions are still to be answered"
    assert sections[1::2] == HEADINGS
    assert [
        heading for heading, body in zip(HEADINGS, sections[2::2], strict=True) if len(body.split()) < SHORTEST
    ] == []
