"""What detect-secrets finds, against what was looked at and found to be no secret (`.secrets.baseline`).

Each entry of the baseline carries `is_secret: false` and, ours, a `reason`. Line numbers are not compared, so moving
code never breaks a scan. Nothing is verified over the network. What does *not* live here: the detectors and filters
(`scan_detectors.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

FILE = ".secrets.baseline"
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding, without its text."""

    path: str
    line: int
    kind: str
    digest: str

    @property
    def key(self) -> _Key:
        """What is compared."""
        return self.path, self.kind, self.digest


def load(root: Path) -> dict[str, Any]:
    """The baseline as it stands."""
    loaded: dict[str, Any] = json.loads((root / FILE).read_text(encoding="utf-8"))
    return loaded


def find(root: Path, files: Sequence[str], baseline: dict[str, Any]) -> tuple[Found, ...]:
    """Everything that the baseline's detectors find in these files. The working folder must be the checkout."""
    settings = {name: baseline[name] for name in ("plugins_used", "filters_used")}
    with transient_settings(settings):
        collection = SecretsCollection(root=str(root))
        collection.scan_files(*files)
        found = [
            Found(path=path.replace("\\", "/"), line=one.line_number, kind=one.type, digest=one.secret_hash)
            for path, one in collection
        ]
    return tuple(sorted(found, key=lambda one: (one.path, one.line, one.kind, one.digest)))


def entries(baseline: dict[str, Any]) -> Iterator[tuple[_Key, dict[str, Any]]]:
    """Every audited entry by what is compared."""
    for path, listed in baseline["results"].items():
        for one in listed:
            yield (path, one["type"], one["hashed_secret"]), one


def unaudited(baseline: dict[str, Any]) -> Iterator[str]:
    """One line for each entry that nobody looked at, or that somebody found to be a secret."""
    for (path, kind, _), one in entries(baseline):
        where = f"{path}:{one.get('line_number', 0)}: {kind}"
        if one.get("is_secret") is not False:
            yield f"{where}: {FILE} does not say `is_secret: false`: take the value out, or look at it and say so"
        elif not str(one.get("reason", "")).strip():
            yield f"{where}: {FILE} gives no `reason` why this is no secret"


def new(found: Sequence[Found], baseline: dict[str, Any]) -> tuple[Found, ...]:
    """What the baseline does not know."""
    known = {key for key, _ in entries(baseline)}
    return tuple(one for one in found if one.key not in known)


def gone(found: Sequence[Found], baseline: dict[str, Any]) -> Iterator[str]:
    """One line for each entry that no longer stands for anything: an allowance nobody needs is taken back."""
    seen = {one.key for one in found}
    for key, _ in entries(baseline):
        if key not in seen:
            yield f"{key[0]}: {key[1]}: {FILE} allows what is no longer there; run `python -m scripts.scan --update`"


def update(root: Path, found: Sequence[Found], baseline: dict[str, Any]) -> None:
    """Write the baseline anew: old verdicts kept, new findings without one, so that the scan still fails."""
    verdicts = dict(entries(baseline))
    results: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        row: dict[str, Any] = {
            "type": one.kind,
            "filename": one.path,
            "hashed_secret": one.digest,
            "is_verified": False,
            "line_number": one.line,
        }
        verdict = verdicts.get(one.key, {})
        row.update({name: verdict[name] for name in ("is_secret", "reason") if name in verdict})
        results.setdefault(one.path, []).append(row)
    text = json.dumps({**baseline, "results": results}, indent=2, ensure_ascii=False)
    (root / FILE).write_text(text + "\n", encoding="utf-8")
