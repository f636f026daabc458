"""The commands `phantom secrets …`: this file registers them, each body is a module of its own (`secrets_*.py`).

What does *not* live here: what the commands do.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from phantom.cli import options as shared

if TYPE_CHECKING:
    from phantom.cli.secrets_rotate import Wanted as Rotation

secrets_app = typer.Typer(
    help="The secrets of this deployment: where they come from, how old they are, what to do about them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@secrets_app.callback()
def _secrets() -> None:
    """The secrets of this deployment: where they come from, how old they are, what to do about them."""


@secrets_app.command("list")
def list_(
    category: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Only categories whose name holds this word.", show_default=False),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no metadata service and run no command; the rest is read.")
    ] = False,
    set_only: Annotated[bool, typer.Option("--set", help="Only secrets that are set.")] = False,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """Every secret: source, users, form, fingerprint, age, due date, last use. No values. Exit 3: something is
    overdue; 1: something is malformed or cannot be read; 0: fine.
    """
    from phantom.cli.secrets_list import Wanted, main

    wanted = Wanted(category=category or "", ask=not offline, set_only=set_only)
    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(main(wanted, config_dir=config, environ=environ, as_json=as_json))


@secrets_app.command()
def exposed(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The secret's name, as `secrets list` shows it.")],
    leaked: Annotated[
        str, typer.Option("--where", metavar="TEXT", help="Where it got out, for the record.", show_default=False)
    ] = "",
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the exposed value from standard input.")] = False,
    current: Annotated[bool, typer.Option("--current", help="The exposed value is the one in use now.")] = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Revoke it now, where there is an API: Slack tokens, bridge secrets.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, also at a terminal.")] = False,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """A secret got out: who used it since when, how to revoke and rotate it, whether the old value is refused by now;
    writes an incident record. Exit 0: all done; 1: a step failed or the value is still accepted; 3: steps remain.
    """
    from phantom.cli.secrets_exposed import Wanted, main

    wanted = Wanted(name=name, leaked=leaked, stdin=stdin, current=current, revoke=revoke, yes=yes)
    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(main(wanted, config_dir=config, environ=environ, as_json=as_json))


class Turnable(StrEnum):
    """Secrets that a command rotates by itself."""

    WEBHOOK = "webhook"
    ENCRYPTION = "encryption"


What = Annotated[Turnable, typer.Argument(metavar="WHAT", help="webhook or encryption.", show_default=False)]
Endpoint = Annotated[str, typer.Option(metavar="NAME", help="webhook: the endpoint, /webhook/<NAME>.")]
SecretPlace = Annotated[
    Path | None,
    typer.Option("--file", metavar="PATH", help="The .env file, or folder of secret files.", show_default=False),
]
Window = Annotated[str, typer.Option(metavar="TIME", help="webhook: how long senders get to follow, such as 24h.")]
Write = Annotated[bool, typer.Option("--write", help="Do it; else the plan is printed.")]
Force = Annotated[bool, typer.Option("--force", help="Also while the backup is in use or fresh, or rows need the key.")]


@secrets_app.command()
def rotate(
    what: What,
    endpoint: Endpoint = "default",
    file: SecretPlace = None,
    window: Window = "24h",
    write: Write = False,
    force: Force = False,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """webhook: make the secret the backup, and a fresh one the default; both are accepted. encryption: put a fresh key
    in front of the ring, or make the first. Prints the plan and changes nothing without --write. Exit 1: refused.
    """
    if what is Turnable.ENCRYPTION:
        _turn_encryption("rotate", file, write=write, force=force, data_dir=data_dir, config=config, as_json=as_json)
    from phantom.cli.secrets_rotate import Wanted

    wanted = Wanted(action="rotate", endpoint=endpoint, file=file, window=window, write=write, force=force)
    _turn(wanted, data_dir=data_dir, config=config, as_json=as_json)


@secrets_app.command()
def retire(
    what: What,
    endpoint: Endpoint = "default",
    file: SecretPlace = None,
    window: Window = "24h",
    write: Write = False,
    force: Force = False,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """webhook: clear the backup once nothing has been signed with it for a while. encryption: drop keys that nothing is
    sealed with any more. Prints the plan and changes nothing without --write. Exit 1: refused.
    """
    if what is Turnable.ENCRYPTION:
        _turn_encryption("retire", file, write=write, force=force, data_dir=data_dir, config=config, as_json=as_json)
    from phantom.cli.secrets_rotate import Wanted

    wanted = Wanted(action="retire", endpoint=endpoint, file=file, window=window, write=write, force=force)
    _turn(wanted, data_dir=data_dir, config=config, as_json=as_json)


def _turn(wanted: Rotation, *, data_dir: Path | None, config: Path | None, as_json: bool) -> None:
    from phantom.cli.secrets_rotate import main

    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(main(wanted, config_dir=config, environ=environ, as_json=as_json))


def _turn_encryption(
    action: Literal["rotate", "retire"],
    file: Path | None,
    *,
    write: bool,
    force: bool,
    data_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    from phantom.cli.rotate_encryption import Wanted, main

    wanted = Wanted(action=action, file=file, write=write, force=force)
    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(main(wanted, config_dir=config, environ=environ, as_json=as_json))
