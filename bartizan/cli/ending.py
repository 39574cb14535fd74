"""How a command ends: with `--json` in exactly one document, even if it fails or was called wrongly."""

from typing import Any, ClassVar

import click
import msgspec

from bartizan.errors import BartizanError

_WANTED, _ANSWERED = f"{__name__}.wanted", f"{__name__}.answered"


class Failure(msgspec.Struct, frozen=True):
    """What a program reads where there is no answer."""

    error: str
    """What people read on standard error."""
    exit_code: int


class Program(click.Group):
    """A program's root: keeps in mind whether a document was asked for, whatever else is wrong with the words."""

    own_errors: ClassVar[tuple[type[Exception], ...]] = (BartizanError,)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look for `--json` before click looks at anything."""
        ctx.meta[_WANTED] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print its failure as a document if that is what was asked for."""
        try:
            return super().invoke(ctx)
        except click.ClickException as failure:
            _tell(ctx, failure)
            raise
        except self.own_errors as error:
            meant = self.failure(error)
            _tell(ctx, meant)
            raise meant from error

    def failure(self, error: Exception) -> click.ClickException:
        """Return what one of our own errors means for whoever typed the command."""
        return click.ClickException(str(error))


def answer(value: object) -> None:
    """Print the document."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_ANSWERED] = True
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _tell(ctx: click.Context, failure: click.ClickException) -> None:
    # Some commands fail after their answer: a counter that is wrong, a rollout that is not over.
    if ctx.meta[_WANTED] and _ANSWERED not in ctx.meta:
        answer(Failure(failure.format_message(), failure.exit_code))
