"""What the commands of the controller's own machine answer: text for people, one document for programs."""

import click

from bartizan.cli.ending import answer

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def say(text: str, value: object, *, as_json: bool) -> None:
    """Print one of the two."""
    if as_json:
        answer(value)
    else:
        click.echo(text)
