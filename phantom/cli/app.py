"""The commands and their flags. Every body is one call into a module of its own, imported when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phantom.cli import options as shared
from phantom.cli import start as daemon_start
from phantom.cli.bridge import bridge_app
from phantom.cli.secrets import secrets_app

app = typer.Typer(
    name="phantom",
    help="Phantom connects an AI agent to chat. Every command also takes --debug: a traceback with each error.",
    epilog="Start with `phantom dev`; nothing is needed for it. `phantom doctor` says what is wrong.",
    no_args_is_help=True,
    add_completion=False,
    # Without rich for help and errors: it would double the time until a command begins.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="The configuration as the daemon sees it.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")
app.add_typer(bridge_app, name="bridge")
app.add_typer(secrets_app, name="secrets")


def run(arguments: list[str]) -> int:
    """Run one command line; the result is its exit status."""
    try:
        app(arguments, prog_name="phantom")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


@app.command()
def start(
    config: shared.ConfigDir = None,
    host: shared.Host = None,
    port: shared.Port = None,
    data_dir: shared.DataDir = None,
    log_level: shared.LogLevel = None,
    log_format: shared.LogFormat = None,
) -> None:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C."""
    environ = shared.environment(host=host, port=port, data_dir=data_dir, log_level=log_level, log_format=log_format)
    raise typer.Exit(daemon_start.start(config, environ))


@app.command()
def dev(
    transport: Annotated[
        str | None,
        typer.Option(metavar="socket|http", help="The Slack transport to try.", envvar="SLACK_TRANSPORT"),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="slack|discord", help="One platform instead of both.", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address of the page.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="NUMBER", help="Port of the page; 0: any free one.")
    ] = 3100,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the data here; else it is thrown away at the end.")
    ] = None,
) -> None:
    """Talk to Phantom in a local workspace: no account, no key, nothing leaves this machine."""
    from phantom.errors import ConfigError

    chosen = (transport or "socket").strip().lower()
    if chosen not in {"socket", "http"}:
        raise ConfigError("is neither `socket` nor `http`", where="SLACK_TRANSPORT", hint="unset it for `socket`")
    if only not in {None, "slack", "discord"}:
        raise ConfigError("is neither `slack` nor `discord`", where="--only", hint="leave it out for both")
    with daemon_start.quick_imports():
        import phantom.logs  # noqa: F401 - first, so that structlog comes without rich
        from phantom import dev as workspace

    raise typer.Exit(
        workspace.main(transport=chosen, only=only, port=port, host=host, open_browser=open_browser, data_dir=data_dir)
    )


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.", show_default=False)] = Path(),
    slack: Annotated[
        str | None,
        typer.Option(
            "--slack",
            "--transport",
            metavar="socket|http|direct|none",
            help="How Slack reaches Phantom; asked when absent.",
        ),
    ] = None,
    discord: Annotated[
        str | None,
        typer.Option(metavar="gateway|http|none", help="How Discord reaches Phantom; asked when absent."),
    ] = None,
    style: Annotated[str, typer.Option(metavar="env|yaml", help="One .env file, or YAML files beside it.")] = "env",
    name: Annotated[str | None, typer.Option(help="What the agent calls itself; asked when absent.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write a commented configuration to fill in. Asks for no secret and overwrites nothing."""
    from phantom.cli.init import main

    raise typer.Exit(main(folder=folder, slack=slack, discord=discord, style=style, name=name, yes=yes, force=force))


@app.command()
def doctor(config: shared.ConfigDir = None, port: shared.Port = None, as_json: shared.AsJson = False) -> None:
    """Check everything the daemon needs, and say the cure. Exit 0: fine or warnings; 1: a failure; 78: settings."""
    from phantom.cli.doctor import main

    raise typer.Exit(main(config_dir=config, environ=shared.environment(port=port), as_json=as_json))


@app.command()
def status(
    config: shared.ConfigDir = None,
    host: shared.Host = None,
    port: shared.Port = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, metavar="NUMBER", help="Seconds to wait.")] = 3.0,
    as_json: shared.AsJson = False,
) -> None:
    """Ask the running daemon how it is. Exit 0: healthy; 1: not healthy; 3: none runs. Safe to paste."""
    from phantom.cli.status import main

    environ = shared.environment(host=host, port=port)
    raise typer.Exit(main(config_dir=config, environ=environ, timeout=timeout, as_json=as_json))


@app.command()
def egress(
    config: shared.ConfigDir = None,
    form: Annotated[
        str, typer.Option("--format", metavar="list|nftables|systemd", help="What to print it as.")
    ] = "list",
    user: Annotated[
        str, typer.Option(metavar="USER", help="nftables: the name or number of the user that runs the daemon.")
    ] = "phantom",
    resolve: Annotated[
        bool, typer.Option("--resolve", help="Resolve the names now; asks this machine's name servers.")
    ] = False,
    as_json: shared.AsJson = False,
) -> None:
    """The hosts that this configuration must reach, for firewalls. Asks no network without --resolve."""
    from phantom.cli.egress import main

    environ = shared.environment()
    raise typer.Exit(main(form, config_dir=config, environ=environ, user=user, resolve_names=resolve, as_json=as_json))


@config_app.callback()
def _config() -> None:
    """The configuration as the daemon sees it."""


@config_app.command()
def explain(
    config: shared.ConfigDir = None,
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="Only settings below this path.")] = "",
    as_json: shared.AsJson = False,
) -> None:
    """Every setting, its value (secrets masked) and where it came from."""
    from phantom.cli.explain import main

    raise typer.Exit(main(config_dir=config, environ=shared.environment(), below=path, as_json=as_json))


@config_app.command()
def show(config: shared.ConfigDir = None, as_json: shared.AsJson = False) -> None:
    """The settings in effect, secrets masked. Safe to paste; `explain` also says where each came from."""
    from phantom.cli.config_show import main

    raise typer.Exit(main(config_dir=config, environ=shared.environment(), as_json=as_json))


@app.command("bug-report")
def bug_report(
    config: shared.ConfigDir = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Add the end of this log; - reads it from standard input."),
    ] = None,
    as_json: shared.AsJson = False,
) -> None:
    """Versions, settings, health and the end of a log, secrets masked: what to paste into a report."""
    from phantom.cli.bug_report import main

    raise typer.Exit(main(config_dir=config, environ=shared.environment(), log=log, as_json=as_json))


@app.command()
def version(as_json: shared.AsJson = False) -> None:
    """Versions of Phantom, Python and the libraries that matter in a report."""
    from phantom.cli.version import main

    raise typer.Exit(main(as_json=as_json))
