"""What detect-secrets learns about us: detectors for our own shapes, and the filters that know our fixtures.

`.secrets.baseline` names this file, so `detect-secrets` itself uses it too. What does *not* live here: the comparison
with the baseline (`scan_baseline.py`).
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.plugins.slack import SlackDetector

from phantom.bridge.secret_value import SHAPE, well_formed

HEURISTICS = frozenset(
    {"Secret Keyword", "Basic Auth Credentials", "Hex High Entropy String", "Base64 High Entropy String"}
)
"""Detectors that guess by a name nearby or by how random a text looks; the others know a shape."""
_FIXTURES = frozenset({"tests", "bench"})
_ROOT_HAS = ".gitleaks.toml"
_MADE_UP = re.compile(r"fake|example|planted|placeholder|dummy|made-up|not-a-secret", re.IGNORECASE)
_NAME_OR_PROSE = re.compile(r"[a-z]{1,16}:?|[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+|.*\s.*", re.DOTALL)
_SLACK_LENGTH = 40
_PUBLIC = re.compile(r"(?:^|/)(?:requirements/[a-z]+\.txt|LICENSE|\.secrets\.baseline|\.gitleaks\.toml)$")


class PhantomBridgeSecretDetector(BasePlugin):
    """`phb_…` whose checksum fits: one of ours beyond doubt. A cut or made-up one is no finding."""

    secret_type = "Phantom bridge secret"  # noqa: S105 - the kind's name

    def analyze_string(self, string: str, **_: Any) -> Generator[str, None, None]:
        """Every bridge secret in a line."""
        yield from (text for text in SHAPE.findall(string) if well_formed(text))


class WebhookSecretDetector(RegexBasedDetector):
    """Standard Webhooks secrets: `whsec_` and base64."""

    secret_type = "Webhook signing secret"  # noqa: S105 - the kind's name
    denylist = (
        re.compile(r"\bwhsec_[A-Za-z0-9+/_-]{32,88}={0,2}"),
        re.compile(r"(?i)(?:signing|webhook|gateway)_secret(?:_[a-z]+)*[\"']?\s{0,4}[:=]\s{0,4}[\"']?([0-9a-f]{64})\b"),
    )


class PhantomEncryptionKeyDetector(RegexBasedDetector):
    """Keys that a data folder is encrypted with."""

    secret_type = "Phantom encryption key"  # noqa: S105 - the kind's name
    denylist = (re.compile(r"\bpek_[0-9a-f]{8}_[A-Za-z0-9_-]{43}"),)


class SlackAppTokenDetector(RegexBasedDetector):
    """App-level, rotating and refresh tokens, which detect-secrets' own detector does not know."""

    secret_type = "Slack app-level or rotating token"  # noqa: S105 - the kind's name
    denylist = (re.compile(r"\b(?:xapp|xoxe(?:\.xox[bp])?)-\d{1,3}-[0-9A-Za-z-]{24,}"),)


class ModelKeyDetector(RegexBasedDetector):
    """Keys of Anthropic, OpenAI and OpenRouter."""

    secret_type = "Model provider key"  # noqa: S105 - the kind's name
    denylist = (
        re.compile(r"\bsk-ant-(?:api|admin)\d{2}-[A-Za-z0-9_-]{80,120}"),
        re.compile(r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200}"),
        re.compile(r"\bsk-or-v1-[0-9a-f]{64}\b"),
    )


def public_file(filename: str) -> bool:
    """Lock files hold hashes, the licence and the rules hold none: nothing in them is a secret."""
    return _PUBLIC.search(filename.replace("\\", "/")) is not None


def guess_in_a_fixture(filename: str, plugin: BasePlugin, secret: str) -> bool:
    """In tests and benchmarks every password is made up, so only what has a token's shape counts there.

    A filter is asked about what it takes: without `secret` this one would never be asked.
    """
    return plugin.secret_type in HEURISTICS and bool(_FIXTURES.intersection(_folders(filename)))


def _folders(filename: str) -> tuple[str, ...]:
    """The folders that the file is in, below its checkout: where the checkout itself stands says nothing."""
    folders = Path(filename).parts[:-1]
    root = next((one for one in Path(filename).parents if (one / _ROOT_HAS).is_file()), None)
    return folders if root is None else folders[len(root.parts) :]


def name_or_prose(plugin: BasePlugin, secret: str) -> bool:
    """`secret = "slack_bot_token"` names one, and a sentence about secrets is none: this project is full of both."""
    return plugin.secret_type == KeywordDetector.secret_type and _NAME_OR_PROSE.fullmatch(secret) is not None


def too_short_for_slack(plugin: BasePlugin, secret: str) -> bool:
    """The detector takes `xoxb-1-2` for a token; Slack's have 50 characters and more."""
    return plugin.secret_type == SlackDetector.secret_type and secret.startswith("xox") and len(secret) < _SLACK_LENGTH


def says_it_is_made_up(secret: str) -> bool:
    """A value that calls itself fake; no generator makes these words."""
    return _MADE_UP.search(secret) is not None
