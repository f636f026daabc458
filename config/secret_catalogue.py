"""What is known of a secret by its name: its category, and whether an age limit makes sense for it. Pure.

What does *not* live here: which names may be asked for (`secret_names.py`) and what a value looks like
(`secret_formats.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MODEL = "model API keys"
SLACK = "Slack"
DISCORD = "Discord"
VECTOR = "vector database"
ARCHIVE = "archive service"
WEBHOOK = "webhook shared secrets"
DATABASE = "database and broker credentials"
BRIDGE = "bridge"
ENCRYPTION = "encryption"
PLUGIN = "plugin"

CATEGORIES = (MODEL, SLACK, DISCORD, VECTOR, ARCHIVE, WEBHOOK, DATABASE, BRIDGE, ENCRYPTION, PLUGIN)
"""In the order in which they are listed; a deployment may declare others."""

MODEL_KEYS: Mapping[str, str] = {
    "anthropic_api_key": "anthropic",
    "openai_api_key": "openai",
    "openrouter_api_key": "openrouter",
    "provider_token": "",
}
"""Model keys, and the provider each belongs to; "" for any."""

TURNS_PASSWORD = "database_password"  # noqa: S105 - a name
"""The password of the PostgreSQL user that keeps turns."""

ENCRYPTION_KEY = "encryption_key"
"""What the daemon's own files are sealed with: a ring of keys."""

NEVER_DUE = frozenset({"discord_public_key"})
"""Not secret as such, and given by the platform: there is nothing to rotate."""

_BY_NAME: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"slack_.*"), SLACK),
    (re.compile(r"discord_.*"), DISCORD),
    (re.compile(r"webhook_.*"), WEBHOOK),
    (re.compile(r"bridge_.*"), BRIDGE),
    (re.compile(r"(?:.*_)?encryption_key(?:_.*)?"), ENCRYPTION),
    (re.compile(r".*(?:pinecone|qdrant|weaviate|milvus|chroma|vector).*"), VECTOR),
    (re.compile(r".*(?:archive|backup_store|object_store|s3_|gcs_|azure_blob).*"), ARCHIVE),
    (re.compile(r".*(?:database|postgres|mysql|sqlite|mongo|redis|rabbit|amqp|kafka|nats|broker|dsn).*"), DATABASE),
    (re.compile(r".*(?:anthropic|openai|openrouter|mistral|gemini|cohere|llm|model).*"), MODEL),
)


def category_of(name: str, declared: Mapping[str, str] | None = None) -> str:
    """The category: as declared, else as the name says, else "plugin"."""
    own = (declared or {}).get(name)
    if own is not None:
        return next((known for known in CATEGORIES if known.lower() == own.strip().lower()), own.strip())
    if name in MODEL_KEYS:
        return MODEL
    return next((category for shape, category in _BY_NAME if shape.fullmatch(name)), PLUGIN)


def order_of(category: str) -> int:
    """Where the category stands in a list."""
    return CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)
