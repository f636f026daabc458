"""Runs the rules of `.gitleaks.toml` without gitleaks, so that our own shapes are looked for on every machine.

It knows the part of that format which our file uses: rules with regex, secretGroup, entropy, keywords and paths, and
allow-lists by path, regex and stop word. What does *not* live here: the rules that come with gitleaks, which only
gitleaks itself applies, and the walk over the files (`scan.py`).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = ".gitleaks.toml"
_KNOWN_RULE = {"id", "description", "regex", "secretGroup", "entropy", "keywords", "path", "allowlists"}
_KNOWN_ALLOW = {"description", "paths", "regexes", "regexTarget", "stopwords", "targetRules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One finding. `secret` is the text itself and is never printed."""

    rule: str
    path: str
    line: int
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is no secret, and why."""

    reason: str
    paths: tuple[re.Pattern[str], ...]
    regexes: tuple[re.Pattern[str], ...]
    stopwords: tuple[str, ...]
    target: str
    rules: frozenset[str]

    def lets(self, hit: Hit, match: str, line: str) -> bool:
        """Whether the finding is allowed by this entry."""
        if self.rules and hit.rule not in self.rules:
            return False
        text = {"match": match, "line": line}.get(self.target, hit.secret)
        return (
            any(pattern.search(hit.path) for pattern in self.paths)
            or any(pattern.search(text) for pattern in self.regexes)
            or any(word in hit.secret.lower() for word in self.stopwords)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One shape. `group` is the part of the match that is the secret; 0 is all of it."""

    id: str
    regex: re.Pattern[str]
    group: int
    entropy: float
    keywords: tuple[str, ...]
    allowances: tuple[Allowance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The whole file."""

    rules: tuple[Rule, ...]
    allowances: tuple[Allowance, ...]

    def skips(self, path: str) -> bool:
        """Whether a file need not be read: an entry for every rule allows all that is in it."""
        return any(any(pattern.search(path) for pattern in one.paths) for one in self.allowances if not one.rules)

    def hits(self, path: str, text: str) -> Iterator[Hit]:
        """Every finding in `text` that nothing allows. `path` is relative to the repository, with slashes."""
        lower = text.lower()
        for rule in self.rules:
            if rule.keywords and not any(word in lower for word in rule.keywords):
                continue
            for match in rule.regex.finditer(text):
                hit = Hit(
                    rule=rule.id,
                    path=path,
                    line=text.count("\n", 0, match.start()) + 1,
                    secret=match.group(rule.group) or match.group(),
                )
                line = text[text.rfind("\n", 0, match.start()) + 1 :].split("\n", 1)[0]
                if entropy(hit.secret) >= rule.entropy and not any(
                    one.lets(hit, match.group(), line) for one in (*rule.allowances, *self.allowances)
                ):
                    yield hit


def load(root: Path) -> Rules:
    """The rules of `root`. Raises `ValueError` for what this runner does not know, rather than leave it out."""
    raw = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    return Rules(
        rules=tuple(_rule(one) for one in raw.get("rules", ())),
        allowances=tuple(_allowance(one) for one in raw.get("allowlists", ())),
    )


def entropy(text: str) -> float:
    """Bits a character, as gitleaks counts them."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()) if text else 0.0


def _rule(raw: Mapping[str, Any]) -> Rule:
    _check(raw, _KNOWN_RULE, f"rule {raw.get('id')}")
    return Rule(
        id=raw["id"],
        regex=re.compile(raw["regex"], re.ASCII),
        group=raw.get("secretGroup", 0),
        entropy=float(raw.get("entropy", 0)),
        keywords=tuple(word.lower() for word in raw.get("keywords", ())),
        allowances=tuple(_allowance(one) for one in raw.get("allowlists", ())),
    )


def _allowance(raw: Mapping[str, Any]) -> Allowance:
    _check(raw, _KNOWN_ALLOW, f"allow-list {raw.get('description')}")
    if not str(raw.get("description", "")).strip():
        raise ValueError(f"{FILE}: an allow-list without a description: say why it is no secret")
    if raw.get("paths") and (raw.get("regexes") or raw.get("stopwords")):
        raise ValueError(f"{FILE}: paths and regexes in one allow-list: gitleaks would leave out the whole files")
    return Allowance(
        reason=raw["description"],
        paths=_compiled(raw.get("paths", ())),
        regexes=_compiled(raw.get("regexes", ())),
        stopwords=tuple(word.lower() for word in raw.get("stopwords", ())),
        target=raw.get("regexTarget", "secret"),
        rules=frozenset(raw.get("targetRules", ())),
    )


def _compiled(patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.ASCII) for pattern in patterns)


def _check(raw: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = set(raw) - known
    if unknown:
        raise ValueError(f"{FILE}: {where}: scripts/scan_rules.py does not know {', '.join(sorted(unknown))}")
