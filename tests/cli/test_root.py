"""The root of the `bartizan` command: it begins quickly because it imports only what was called."""

import subprocess
import sys

import pytest

from bartizan.cli.root import COMMANDS, bartizan

OF_OTHERS = ("yaml", "bartizan.cli.policy", "bartizan.cli.advisory", "bartizan.containment.render")
"""What reading and judging documents takes, and a list of the inventory does not."""
CALL = """
import sys
from bartizan.cli.root import bartizan
bartizan.main(["event", "list", "--help"], standalone_mode=False)
print(*sorted(sys.modules), file=sys.stderr)
"""


def test_a_command_imports_nothing_of_the_others() -> None:
    done = subprocess.run([sys.executable, "-c", CALL], capture_output=True, text=True, timeout=60, check=True)

    assert "List events" in done.stdout
    imported = set(done.stderr.split())
    assert "bartizan.cli.inventory" in imported
    assert imported.isdisjoint(OF_OTHERS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    """And is called there as it is called here, so that its help and its errors say so."""
    import click

    context = click.Context(bartizan)
    command = bartizan.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert name in bartizan.list_commands(context)
