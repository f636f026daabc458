"""The application under test as Discord knows it: ids, token, keys, intents, and how often it may identify and sync."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from phantom.testing.fake_discord.model import JSON, FakeUser
from phantom.testing.fake_discord.signing import new_private_key, public_key_of

PRESENCES, MEMBERS, MESSAGE_CONTENT = 1 << 8, 1 << 1, 1 << 15
PRIVILEGED = PRESENCES | MEMBERS | MESSAGE_CONTENT
COMMAND_QUOTA = 200
"""How many commands an application may create in a day and guild. Updates and unchanged bulk writes cost nothing."""


@dataclass(slots=True, kw_only=True)
class FakeApplication:
    """`granted`: the privileged intents switched on in the portal. `session_limit`: identifies left for today.

    `shards`: how many `GET /gateway/bot` recommends; `max_concurrency`: how many may identify at once.
    """

    id: str = "1100000000000000001"
    name: str = "phantom"
    owner: FakeUser | None = None
    token: str = field(default="", repr=False)
    private_key: str = field(default_factory=new_private_key, repr=False)
    granted: int = MEMBERS | MESSAGE_CONTENT
    shards: int = 1
    shards_required: bool = False
    max_concurrency: int = 1
    session_limit: int = 1000
    commands_created: dict[str, int] = field(default_factory=dict)
    interactions_url: str | None = None

    def __post_init__(self) -> None:
        self.token = self.token or new_token(self.id)

    @property
    def bot_id(self) -> str:
        """Of an application of today, the bot user's id is the application's."""
        return self.id

    @property
    def public_key(self) -> str:
        """What the portal shows as "Public Key", in hex."""
        return public_key_of(self.private_key)

    @property
    def flags(self) -> int:
        """The application's flags: the *limited* variants of the granted privileged intents."""
        pairs = ((PRESENCES, 1 << 13), (MEMBERS, 1 << 15), (MESSAGE_CONTENT, 1 << 19))
        return sum(flag for intent, flag in pairs if self.granted & intent)

    def rotate_token(self) -> str:
        """Reset the token in the portal; the old one is refused from now on. Returns the new one."""
        self.token = new_token(self.id)
        return self.token

    def to_discord(self) -> JSON:
        """As `GET /applications/@me` and `GET /oauth2/applications/@me`."""
        return {
            "id": self.id,
            "name": self.name,
            "icon": None,
            "description": "",
            "type": None,
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": self.public_key,
            "owner": self.owner.to_discord() if self.owner else None,
            "team": None,
            "flags": self.flags,
            "interactions_endpoint_url": self.interactions_url,
            "role_connections_verification_url": None,
            "redirect_uris": [],
            "tags": [],
            "approximate_guild_count": 1,
        }


def new_token(application_id: str) -> str:
    """A token in Discord's three parts; the first is the id in base64."""
    head = base64.urlsafe_b64encode(application_id.encode()).decode().rstrip("=")
    return f"{head}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"
