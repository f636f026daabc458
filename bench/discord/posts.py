"""Signed interactions as Discord posts them: prepared requests for `bench.load.drive`."""

from __future__ import annotations

import os
import time
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.load import TEXT
from phantom.testing.fake_discord import FakeDiscord

_EPOCH_MS = 1_420_070_400_000


def signed(fake: FakeDiscord, count: int) -> list[bytes]:
    """`count` whole requests, each a new press of a button (2.1 KB), signed now. The button is none of Phantom's, so
    that the whole way is measured (verify, parse, journal, deferred answer) and no agent's work behind it.
    """
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(fake.app.private_key))
    first = (int(time.time() * 1000) - _EPOCH_MS) << 22
    requests = []
    for number in range(count):
        body = orjson.dumps(press(fake, first + number))
        stamp = str(int(time.time()))
        requests.append(_request(body, key.sign(stamp.encode() + body).hex(), stamp))
    return requests


def forged(fake: FakeDiscord, count: int) -> list[bytes]:
    """The same, signed by nobody. The signatures are well-formed down to the scalar, so that checking costs as much."""
    stamp = str(int(time.time()))
    return [_request(orjson.dumps(press(fake, number)), os.urandom(63).hex() + "05", stamp) for number in range(count)]


def unsigned(fake: FakeDiscord, count: int) -> list[bytes]:
    """The same without signature headers."""
    return [_request(orjson.dumps(press(fake, number)), "", "") for number in range(count)]


def press(fake: FakeDiscord, snowflake: int) -> dict[str, Any]:
    """A press of a button under an answer of the bot, by a member of the server."""
    guild, channel = fake.guild, fake.general
    author = fake.bot.to_discord()
    message = {
        "id": str(snowflake - 1),
        "channel_id": channel.id,
        "type": 19,
        "author": author,
        "content": TEXT * 3,
        "timestamp": "2024-05-01T12:00:00.000000+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [
            {"type": 1, "id": 1, "components": [{"type": 2, "id": 2, "style": 2, "label": "More", "custom_id": "more"}]}
        ],
        "flags": 0,
        "pinned": False,
    }
    return {
        "id": str(snowflake),
        "application_id": fake.application_id,
        "type": 3,
        "data": {"custom_id": "more", "component_type": 2, "id": 2},
        "channel": channel.to_discord() | {"permissions": "2251799813685247"},
        "channel_id": channel.id,
        "guild_id": guild.id,
        "guild": {"id": guild.id, "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "locale": "en-US",
        "member": guild.members[fake.owner.id].to_discord() | {"permissions": "2251799813685247"},
        "message": message,
        "token": f"{snowflake:0160x}",
        "version": 1,
        "app_permissions": "2251799813685247",
        "entitlements": [],
        "authorizing_integration_owners": {"0": guild.id},
        "context": 0,
        "attachment_size_limit": 10_485_760,
    }


def _request(body: bytes, signature: str, stamp: str) -> bytes:
    head = (
        "POST /discord/interactions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"User-Agent: Discord-Interactions/1.0 (+https://discord.com)\r\nContent-Length: {len(body)}\r\n"
    )
    if signature:
        head += f"X-Signature-Ed25519: {signature}\r\nX-Signature-Timestamp: {stamp}\r\n"
    return head.encode() + b"\r\n" + body
