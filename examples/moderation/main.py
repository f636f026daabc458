"""Deletes messages that match a rule, and gives their authors a pause.

The rules are in `rules.yaml` beside this file, or where `MODERATION_RULES` says. Which servers it may touch is not its
own business: the secret is limited to them. Each message is acted on once, also when it comes again after a lost
connection, because the idempotency key is made of the message's id.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import yaml

from phantom.bridge.client import ActionFailed, BridgeApp, Event, read_manifest
from phantom.bridge.client_program import from_environment, run, serve
from phantom.errors import ConfigError

log = structlog.get_logger("moderation")

HERE = Path(__file__).parent
MANIFEST = read_manifest(HERE / "manifest.yaml")
ATTEMPTS = 3


@dataclass(frozen=True)
class Rule:
    """What is not wanted, and what follows."""

    pattern: re.Pattern[str]
    reason: str
    timeout_minutes: int = 0


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file. Raises `ConfigError`."""
    try:
        entries = yaml.safe_load(path.read_text("utf-8"))
        return [Rule(**{**entry, "pattern": re.compile(entry["pattern"])}) for entry in entries]
    except (OSError, yaml.YAMLError, re.error, KeyError, TypeError) as error:
        raise ConfigError(f"holds no rules: {error}", where=str(path), hint="see rules.yaml of the example") from error


class Moderation:
    """Looks at every message and every edit."""

    def __init__(self, app: BridgeApp, rules: Sequence[Rule]) -> None:
        self._app = app
        self._rules = rules
        app.on(("messageCreate", "messageUpdate"), self.look)

    async def look(self, event: Event) -> None:
        """One message, as it is now."""
        message = event.data["message"]
        author = message.get("author")
        if author is None or author["bot"]:
            return
        rule = next((one for one in self._rules if one.pattern.search(message.get("content", ""))), None)
        if rule is None:
            return
        message_id, actions = message["id"], self._app.actions
        await insist(
            "delete",
            message_id,
            lambda: actions.delete_message(
                channel_id=message["channelId"], message_id=message_id, idempotency_key=f"delete:{message_id}"
            ),
        )
        if rule.timeout_minutes and "guildId" in message:
            await insist(
                "timeout",
                message_id,
                lambda: actions.timeout_member(
                    guild_id=message["guildId"],
                    user_id=author["id"],
                    duration_ms=rule.timeout_minutes * 60_000,
                    reason=rule.reason,
                    idempotency_key=f"timeout:{message_id}",
                ),
            )


async def insist(what: str, message_id: str, act: Callable[[], Awaitable[object]]) -> None:
    """Do it, again if that is worth it. A message that is gone already is as good as deleted."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await act()
        except ActionFailed as error:
            if error.bridge_code == "NOT_FOUND":
                return
            if error.retryable and attempt < ATTEMPTS:
                await asyncio.sleep(error.retry_after or attempt)
                continue
            log.error("not_done", what=what, message=message_id, code=error.bridge_code, cure=error.hint)
        else:
            log.info("done", what=what, message=message_id)
        return


async def main() -> None:
    """Watch until told to stop."""
    rules = read_rules(Path(os.environ.get("MODERATION_RULES", HERE / "rules.yaml")))
    app = from_environment("moderation")
    Moderation(app, rules)
    await serve(app, MANIFEST)


if __name__ == "__main__":
    run(main)
