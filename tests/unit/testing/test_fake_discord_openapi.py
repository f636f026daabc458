"""The fake's routes and checks beside Discord's own public description, where a copy of it is at hand."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from discord.http import Route as Asked

from phantom.testing.fake_discord import FakeDiscord, openapi
from phantom.testing.fake_discord.calls import ROUTES, Route
from phantom.testing.fake_discord.gateway_session import Session
from tests.unit.testing.fake_discord_kit import connected

_PATH = openapi.find()
described = pytest.mark.skipif(
    _PATH is None, reason="Discord's OpenAPI description is not beside the checkout (shared/data/discord/openapi.json)"
)


@described
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_routes_are_named_as_in_the_description(route: Route) -> None:
    assert _PATH is not None
    description = openapi.load(_PATH)
    assert description.name_of(route.method, route.path) == route.name


@described
@pytest.mark.parametrize(
    ("method", "path", "query", "body", "complaint"),
    [
        ("POST", "/channels/{channel_id}/messages", {}, {"content": "x", "nonce": 12}, ""),
        ("POST", "/channels/{channel_id}/messages", {}, {"content": 5}, "body.content"),
        ("POST", "/channels/{channel_id}/messages", {}, {"embeds": [{}] * 11}, "body.embeds"),
        ("POST", "/channels/{channel_id}/messages", {}, {"message_reference": {"message_id": 5}}, ""),
        ("POST", "/channels/{channel_id}/messages", {}, {"message_reference": {}}, "message_id"),
        ("POST", "/channels/{channel_id}/messages", {"wat": "1"}, {"content": "x"}, "query wat"),
        ("GET", "/channels/{channel_id}/messages", {"limit": "5"}, {}, ""),
        ("GET", "/nowhere", {}, {}, "not described"),
    ],
)
def test_requests_are_checked(method: str, path: str, query: dict[str, str], body: Any, complaint: str) -> None:
    assert _PATH is not None
    found = openapi.load(_PATH).check(method, path, query, body)
    assert (complaint in " ".join(found)) if complaint else found == []


def test_a_small_description() -> None:
    schema = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"},
            "kind": {"oneOf": [{"type": "null"}, {"enum": [1, 2]}]},
            "id": {"type": "string", "format": "snowflake"},
            "count": {"type": "integer", "minimum": 1},
            "flag": {"type": "boolean"},
            "list": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}, "minItems": 1},
        },
    }
    content = {"content": {"application/json": {"schema": {"allOf": [schema]}}}, "required": True}
    document = {
        "paths": {"/x": {"post": {"operationId": "x", "requestBody": content}}},
        "components": {"schemas": {"Item": {"const": 7}}},
    }
    check = openapi.Description(document).check
    good = {"name": "abc", "kind": None, "id": 5, "count": 1, "flag": True, "list": [7], "more": 1}
    assert check("POST", "/x", {}, good) == []
    for name, value in (
        ("name", "abcd"), ("name", "A"), ("name", None), ("kind", 3), ("count", 0), ("count", True), ("flag", 1),
        ("list", []), ("list", [8]), ("id", 1.5),
    ):  # fmt: skip
        assert len(check("POST", "/x", {}, good | {name: value})) == 1, (name, value)
    assert check("POST", "/x", {}, {}) == ["body.name: is missing"]


async def test_violations_are_collected_and_nothing_is_refused() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        await client.http.request(  # a request that discord.py itself would not make
            Asked("POST", f"/channels/{fake.general.id}/messages"),
            json={"content": "x", "tts": "maybe"},
        )
        assert len(fake.messages(fake.general)) == 1
        assert bool(fake.violations) == fake.described


_FRAMES = None if _PATH is None else _PATH.with_name("gateway_frames.jsonl")


@pytest.mark.skipif(
    _FRAMES is None or not _FRAMES.is_file(), reason="no real gateway frames beside the checkout (shared/data/discord)"
)
async def test_our_events_have_the_members_of_real_ones() -> None:
    """What discord.py reads of a message and a guild is in ours where it is in the real frames."""
    assert _FRAMES is not None
    rows = [orjson.loads(line) for line in _FRAMES.read_text().splitlines()]
    async with FakeDiscord() as fake, connected(fake):
        await fake.post(fake.owner, fake.general, "hello")
        [session] = fake.gateway.sessions.values()
        for event, optional in (
            ("MESSAGE_CREATE", {"reactions", "mention_channels", "nonce", "referenced_message"}),
            ("READY", set()),
        ):
            real = next(row["frame"]["d"] for row in rows if row["event"] == event)
            used = {"id", "content", "author", "member", "mentions", "guilds", "session_id", "user"}
            assert (set(real) & used) - set(_last(session, event)) - optional == set()


def _last(session: Session, event: str) -> dict[str, Any]:
    frames = [orjson.loads(frame) for _, frame in session.buffer]
    return next(dict(frame["d"]) for frame in reversed(frames) if re.fullmatch(event, frame["t"]))
