"""An in-memory Discord on loopback for tests and for `phantom dev`. Begin at `FakeDiscord` (`server.py`)."""

from phantom.testing.fake_discord.application import FakeApplication
from phantom.testing.fake_discord.calls import ApiCall
from phantom.testing.fake_discord.http_sender import Posted
from phantom.testing.fake_discord.interactions import FakeInteraction
from phantom.testing.fake_discord.message import FakeAttachment, FakeMessage
from phantom.testing.fake_discord.model import FakeChannel, FakeGuild, FakeMember, FakeRole, FakeUser
from phantom.testing.fake_discord.server import FakeDiscord
from phantom.testing.fake_discord.signing import sign_interaction

__all__ = [
    "ApiCall",
    "FakeApplication",
    "FakeAttachment",
    "FakeChannel",
    "FakeDiscord",
    "FakeGuild",
    "FakeInteraction",
    "FakeMember",
    "FakeMessage",
    "FakeRole",
    "FakeUser",
    "Posted",
    "sign_interaction",
]
