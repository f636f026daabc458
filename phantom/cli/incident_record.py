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
OPEN = "Something is left to do: run it again.\n"
CLOSED = "Everything was done, and the old value seen refused.\n"
MAX_BYTES = 1024 * 1024


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
        *_rows(incident),
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


def _rows(incident: Incident) -> list[str]:
    return [f"| {step} | {state} | {text.replace('|', chr(92) + '|')} |" for step, state, text in incident.steps]


def _again(incident: Incident) -> str:
    """What a later run adds to the record of the same exposure."""
    lines = [
        "",
        f"## Once more, {_moment(incident.opened_at)}",
        "",
        *([incident.leaked, ""] if incident.leaked else []),
        "| step | state | what |",
        "|---|---|---|",
        *_rows(incident),
        "",
        *[f"- {_moment(at)} {what}" for at, what in incident.timeline],
        "",
    ]
    return redactor.clean("\n".join(lines))


def write(data_dir: Path, incident: Incident, *, done: bool) -> Path:
    """Write the record into `<data_dir>/incidents`, for the owner alone, or add to the one of an earlier run that left
    something to do. What people wrote there stays. Raises `ConfigError`.
    """
    folder = data_dir / FOLDER
    stem = re.sub(r"[^a-z0-9_.-]", "-", incident.name.lower())
    end = CLOSED if done else OPEN
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        earlier = _open_record(folder, stem)
        if earlier is not None:
            return _put(earlier, _again(incident) + end, os.O_APPEND)
        stamp = datetime.fromtimestamp(incident.opened_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in range(1, 1000):
            path = folder / (f"{stamp}-{stem}.md" if number == 1 else f"{stamp}-{stem}-{number}.md")
            try:
                return _put(path, render(incident) + "\n" + end, os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
    except OSError as error:
        raise ConfigError(
            f"the record cannot be written: {error.strerror}", where=str(folder), hint="make the data folder writable"
        ) from error
    raise ConfigError("holds a thousand records of this second", where=str(folder))


def _open_record(folder: Path, stem: str) -> Path | None:
    """The newest record of the secret, when its last line says that something was left to do."""
    shape = re.compile(rf"\d{{8}}T\d{{6}}Z-{re.escape(stem)}(?:-\d+)?\.md")
    found = sorted(path for path in folder.iterdir() if shape.fullmatch(path.name) and not path.is_symlink())
    if not found or found[-1].stat().st_size > MAX_BYTES:
        return None
    lines = found[-1].read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line in (OPEN.strip(), CLOSED.strip())), "")
    return found[-1] if last == OPEN.strip() else None


def _put(path: Path, text: str, how: int) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | how, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
