"""`phantom bug-report`: everything that a report of a fault should say, and nothing secret. Safe to paste.

Versions, the settings in effect, what the daemon says of itself, the names (not the values) of Phantom's variables, and
the end of a log that is handed to it. Read it before you post it: names of people and places are not secrets and stay.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from phantom.cli.frame import redactor
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json
from phantom.cli.probe import ask
from phantom.cli.version import versions
from phantom.errors import ConfigError

LINES = 200
"""Lines of the log's end that are shown."""
_LONGEST = 4000
_OURS = ("PHANTOM_", "SLACK_", "DISCORD_", "WEBHOOK_", "BRIDGE_", "SECRET_", "METADATA_", "OWNER_", "PORT", "LOG_")
_MODELS = ("ANTHROPIC_", "OPENAI_", "OPENROUTER_", "PROVIDER_")


def main(*, config_dir: Path | None, environ: Mapping[str, str], log: Path | None, as_json: bool) -> int:
    """Print the report. Always 0: what is wrong is part of it."""
    report: dict[str, object] = {"versions": versions()}
    report |= _settings(config_dir, environ)
    report["variables"] = sorted(name for name in environ if name.startswith((*_OURS, *_MODELS)))
    report["log"] = _log(log)
    cleaned = redactor.clean_value(_homeless(report))
    assert isinstance(cleaned, dict)  # noqa: S101 - it was one
    if as_json:
        print_json(cleaned)
    else:
        _print(cleaned)
    return 0


def _settings(config_dir: Path | None, environ: Mapping[str, str]) -> dict[str, object]:
    """The settings, or what is wrong with them, and what the daemon at their address says."""
    from config import explain

    try:
        loaded = load_config(config_dir, environ)
    except ConfigError as error:
        return {"settings": {"error": f"{error.where}: {error}"}, "health": None}
    rows = {row.setting: f"{row.value}  ({row.source})" for row in explain(loaded)}
    answer = ask(loaded.core.host, loaded.core.port, 3.0)
    health: object = answer.health if answer.health is not None else answer.trouble or "no daemon answers"
    return {"settings": rows, "notices": list(loaded.notices), "health": health}


def _log(log: Path | None) -> list[str]:
    if log is None:
        return []
    if str(log) == "-":
        return _last(sys.stdin)
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            return _last(lines)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(log), hint="name a file, or - for input"
        ) from None


def _last(lines: Iterable[str]) -> list[str]:
    """The end of it. Masked line by line, and as a whole before that: a traceback may break a secret up."""
    kept = redactor.clean("".join(deque(lines, maxlen=LINES)))
    return [line[:_LONGEST] for line in kept.splitlines()]


def _homeless(value: object) -> object:
    """The same with the home folder, which names a person, as `~`."""
    home = str(Path.home())
    if isinstance(value, str):
        return value.replace(home, "~") if len(home) > 1 else value
    if isinstance(value, Mapping):
        return {key: _homeless(item) for key, item in value.items()}
    return [_homeless(item) for item in value] if isinstance(value, list) else value


def _print(report: Mapping[str, object]) -> None:
    print("Phantom bug report. Secrets are masked; look for names that you would rather not show.")
    for part, content in report.items():
        print(f"\n## {part}\n")
        for line in _lines(content):
            print(plain(line))


def _lines(content: object, indent: str = "") -> Iterable[str]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, Mapping | list) and value:
                yield f"{indent}{key}:"
                yield from _lines(value, indent + "  ")
            else:
                yield f"{indent}{key}: {value}"
    elif isinstance(content, list):
        for item in content:
            yield from _lines(item, indent) if isinstance(item, Mapping) else (f"{indent}{item}",)
    else:
        yield f"{indent}{content}"
