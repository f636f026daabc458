"""The record of one exposure, as Markdown: what is known, what was done and when, and what people have yet to write.

No value of a secret gets in: the text is masked as every output is. What does *not* live here: the steps themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from phantom.cli.frame import redactor
from phantom.errors import ConfigError

FOLDER = "incidents"
"""Below the data folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What the record begins with. `facts` and `steps` are (what, seen) and (step, state, text); `timeline` are times
    in seconds since the epoch with what happened.
    """

    name: str
    opened_at: float
    leaked: str = ""
    facts: Sequence[tuple[str, str]] = ()
    steps: Sequence[tuple[str, str, str]] = ()
    timeline: Sequence[tuple[float, str]] = ()


def render(incident: Incident) -> str:
    """The record."""
    opened = _moment(incident.opened_at) if incident.opened_at else "YYYY-MM-DDTHH:MM:SS+00:00"
    lines = [
        f"# Exposure of `{incident.name}`",
        "",
        f"Opened {opened}. No value of a secret belongs in this file.",
        "",
        "## How it got out",
        "",
        incident.leaked or "Where it was seen, by whom, since when, who could read it there.",
        "",
        "## Scope",
        "",
        *([f"- {what}: {seen}" for what, seen in incident.facts] or ["- what `phantom secrets exposed` knows of it"]),
        "- what its holder could do with it:",
        "- what the platform's own logs show:",
        "- whose data may have been read:",
        "",
        "## Steps",
        "",
        "| step | state | what |",
        "|---|---|---|",
        *[f"| {step} | {state} | {text.replace('|', chr(92) + '|')} |" for step, state, text in incident.steps],
        "",
        "## Timeline (UTC)",
        "",
        *[f"- {_moment(at)} {what}" for at, what in incident.timeline],
        "- when it got out:",
        "- when it was noticed, and how:",
        "",
        "## Afterwards",
        "",
        "- every copy gone (repository history, tickets, chats, logs, images, backups):",
        "- who was told, and when (users, platform, authority):",
        "- why it could happen:",
        "- what keeps it from happening again, who does it, until when:",
        "",
    ]
    return redactor.clean("\n".join(lines))


def write(data_dir: Path, incident: Incident) -> Path:
    """Write the record into `<data_dir>/incidents`, for the owner alone; never over another. Raises `ConfigError`."""
    folder = data_dir / FOLDER
    stamp = datetime.fromtimestamp(incident.opened_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    stem = f"{stamp}-{re.sub(r'[^a-z0-9_.-]', '-', incident.name.lower())}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, 1000):
            path = folder / (f"{stem}.md" if number == 1 else f"{stem}-{number}.md")
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(render(incident))
                file.flush()
                os.fsync(file.fileno())
            return path
    except OSError as error:
        raise ConfigError(
            f"the record cannot be written: {error.strerror}", where=str(folder), hint="make the data folder writable"
        ) from error
    raise ConfigError("holds a thousand records of this second", where=str(folder))


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
