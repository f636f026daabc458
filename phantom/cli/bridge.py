"""The commands `phantom bridge …`: this file registers them, each body is a module of its own (`bridge_*.py`).

What does *not* live here: what the commands do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phantom.cli import options as shared

bridge_app = typer.Typer(
    help="The bridge that other programs reach the bot through.", no_args_is_help=True, rich_markup_mode=None
)

ManifestFile = Annotated[
    Path,
    typer.Argument(
        metavar="MANIFEST", help="A manifest: .json, .yaml, or a .py file with MANIFEST.", show_default=False
    ),
]
secret_app = typer.Typer(help="Secrets for apps.", no_args_is_help=True, rich_markup_mode=None)
bridge_app.add_typer(secret_app, name="secret")
SecretId = Annotated[str, typer.Argument(metavar="ID", help="The secret's id.", show_default=False)]


@bridge_app.callback()
def _bridge() -> None:
    """The bridge that other programs reach the bot through."""


@bridge_app.command()
def scope(manifest: ManifestFile, as_json: shared.AsJson = False) -> None:
    """Print the smallest `allow` with which the app of a manifest works."""
    from phantom.cli.bridge_scope import main

    raise typer.Exit(main(manifest, as_json=as_json))


@bridge_app.command()
def check(
    manifest: ManifestFile,
    secret: Annotated[
        str | None, typer.Option(metavar="ID", help="Against this secret of the configuration.", show_default=False)
    ] = None,
    allow: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Against the `allow` in this .json or .yaml file.", show_default=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Against a running bridge, such as ws://127.0.0.1:3100/bridge; the secret comes from"
            " PHANTOM_BRIDGE_SECRET.",
            show_default=False,
        ),
    ] = None,
    intent: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An intent that the bot has; without any, all are taken for granted."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Also fail when more is granted than the app needs.")] = False,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """Check a manifest, alone or against what an app is granted. Exit 0: fits; 1: does not; 78: a file is wrong."""
    from phantom.cli.bridge_check import Against, main

    against = Against(
        secret=secret, allow=allow, url=url, intents=frozenset(intent) if intent else None, config_dir=config
    )
    raise typer.Exit(main(manifest, against, environ=shared.environment(), exact=exact, as_json=as_json))


@bridge_app.command()
def apps(
    config: shared.ConfigDir = None,
    host: shared.Host = None,
    port: shared.Port = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, metavar="NUMBER", help="Seconds to wait.")] = 3.0,
    as_json: shared.AsJson = False,
) -> None:
    """Who is connected to the running daemon, what it was granted, how far behind. Exit 3: no daemon answers."""
    from phantom.cli.bridge_apps import main

    environ = shared.environment(host=host, port=port)
    raise typer.Exit(main(config_dir=config, environ=environ, timeout=timeout, as_json=as_json))


@bridge_app.command()
def audit(
    secret: Annotated[str | None, typer.Option(metavar="ID", help="Only this secret's.", show_default=False)] = None,
    action: Annotated[str | None, typer.Option(metavar="NAME", help="Only this action.", show_default=False)] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what was refused or failed.")] = False,
    hours: Annotated[float | None, typer.Option(min=0, metavar="NUMBER", help="Not older.", show_default=False)] = None,
    last: Annotated[int, typer.Option(min=1, max=1_000_000, metavar="NUMBER", help="At most so many rows.")] = 100,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """Who logged in and who did what: never content. The daemon need not run."""
    from phantom.cli.bridge_audit import Wanted, main

    wanted = Wanted(secret=secret, action=action, failed=failed, hours=hours, last=last)
    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(main(wanted, config_dir=config, environ=environ, as_json=as_json))


@secret_app.command()
def new(
    secret_id: SecretId,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Allow what this manifest needs.", show_default=False)
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Allow this event; may be repeated.", show_default=False)
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Allow this action; may be repeated.", show_default=False)
    ] = None,
    guild: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only in this server or team.", show_default=False)
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only in this channel.", show_default=False)
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0, metavar="NUMBER", help="Good for so many days.", show_default=False)
    ] = None,
    max_connections: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="0: no limit of its own.")] = 0,
    max_actions_per_minute: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="0: no limit.")] = 0,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """Make a secret and print it, once. A running daemon takes it within a second."""
    from phantom.bridge.secret_file import StoredLimits
    from phantom.cli import bridge_secret

    wanted = bridge_secret.NewSecret(
        secret_id=secret_id,
        manifest=manifest,
        events=event or (),
        actions=action or (),
        guilds=guild or (),
        channels=channel or (),
        days=days,
        limits=StoredLimits(connections=max_connections, actions_per_minute=max_actions_per_minute),
    )
    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(bridge_secret.new(wanted, config_dir=config, environ=environ, as_json=as_json))


@secret_app.command("list")
def list_(data_dir: shared.DataDir = None, config: shared.ConfigDir = None, as_json: shared.AsJson = False) -> None:
    """Every secret in force: scope, age, expiry. No values."""
    from phantom.cli import bridge_secret

    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(bridge_secret.show(config_dir=config, environ=environ, as_json=as_json))


@secret_app.command()
def rotate(
    secret_id: SecretId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=8760, metavar="NUMBER", help="How long the old value stays good.")
    ] = 24.0,
    data_dir: shared.DataDir = None,
    config: shared.ConfigDir = None,
    as_json: shared.AsJson = False,
) -> None:
    """Give a secret a new value and print it, once; no app is cut before the overlap ends."""
    from phantom.cli import bridge_secret

    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(
        bridge_secret.rotate(
            secret_id, overlap=overlap_hours * 3600, config_dir=config, environ=environ, as_json=as_json
        )
    )


@secret_app.command()
def revoke(secret_id: SecretId, data_dir: shared.DataDir = None, config: shared.ConfigDir = None) -> None:
    """Forget a secret; its apps are cut within a second."""
    from phantom.cli import bridge_secret

    environ = shared.environment(data_dir=data_dir)
    raise typer.Exit(bridge_secret.revoke(secret_id, config_dir=config, environ=environ))
