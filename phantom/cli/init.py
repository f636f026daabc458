"""`phantom init`: writes a commented configuration to fill in. It asks for no secret and overwrites nothing unasked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from phantom.cli.output import plain
from phantom.cli.templates import DISCORD, FILES, NONE, SLACK, render
from phantom.errors import ConfigError

STYLES = ("env", "yaml")
NAMED = frozenset(DISCORD) - {NONE}


def main(
    *,
    folder: Path,
    slack: str | None,
    discord: str | None,
    style: str,
    name: str | None,
    yes: bool,
    force: bool,
) -> int:
    """Write the files and say what to do next. Raises `ConfigError` for what exists already or cannot be written."""
    if style not in STYLES:
        raise ConfigError("is neither `env` nor `yaml`", where="--style", hint="`env` is one .env file")
    asking = not yes and sys.stdin.isatty()
    if slack is None:
        # Somebody who names Discord alone does not mean Slack too.
        slack = _ask("How does Slack reach Phantom", NONE if discord in NAMED else "socket", asking, among=SLACK)
    if slack not in SLACK:
        raise ConfigError(f"is none of {', '.join(SLACK)}", where="--slack", hint="`socket` needs no address")
    if discord is None:
        discord = _ask("How does Discord reach Phantom", "gateway" if slack == NONE else NONE, asking, among=DISCORD)
    if discord not in DISCORD:
        raise ConfigError(f"is none of {', '.join(DISCORD)}", where="--discord", hint="`gateway` needs no address")
    if slack == discord == NONE:
        raise ConfigError("leaves nothing to connect to", where="--slack none", hint="add `--discord gateway`")
    if name is None:
        name = _ask("What is the agent called", "Phantom", asking)
    _check_name(name)
    texts = {
        folder / file: render(file, slack=slack, discord=discord, name=name, secrets_only=style == "yaml")
        for file in FILES[style]
    }
    _write(texts, force=force)
    for path in texts:
        print(f"wrote {plain(str(path))} (mode 0600)" if path.name == ".env" else f"wrote {plain(str(path))}")
    print(plain(_next(folder, slack, discord)))
    return 0


def _ask(question: str, default: str, asking: bool, among: Mapping[str, str] | None = None) -> str:
    if not asking:
        return default
    for word, meaning in (among or {}).items():
        print(f"  {word:<7} {meaning}")
    return str(typer.prompt(question, default=default)).strip()


def _check_name(name: str) -> None:
    if not name or not name.isprintable() or len(name) > 80 or "'" in name:
        raise ConfigError("must be 1 to 80 printable characters without a quote", where="--name")


def _write(texts: Mapping[Path, str], *, force: bool) -> None:
    existing = [str(path) for path in texts if path.exists()]
    if existing and not force:
        raise ConfigError(
            "exists already", where=", ".join(existing), hint="edit it, or overwrite it with `phantom init --force`"
        )
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Private from the first byte on: secrets will be filled in here. Written beside and renamed, so that a
            # full disk does not leave half a file where a whole one was.
            beside = path.with_name(f".{path.name}.new")
            beside.unlink(missing_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            beside.rename(path)
        except OSError as error:
            raise ConfigError(
                f"cannot be written: {error.strerror}", where=str(path), hint="name another folder: `phantom init DIR`"
            ) from error


def _next(folder: Path, slack: str, discord: str) -> str:
    if slack == "http" and discord == NONE:
        fill = "check PHANTOM_METADATA_URL in .env (the metadata service there holds the secrets)"
    else:
        fill = "fill in the secrets in .env"
    # `.env` counts in the working folder only.
    first = "" if folder.resolve() == Path.cwd() else f"cd {folder}, "
    return f"next: {first}{fill}, then run `phantom doctor` and `phantom start`"
