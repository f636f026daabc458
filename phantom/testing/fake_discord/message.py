"""Messages and their attachments: their state and how Discord's API shows it. Who is pinged: see `pings.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from phantom.testing.fake_discord.model import JSON, FakeUser
from phantom.testing.fake_discord.snowflakes import made_at, timestamp

DEFAULT, PIN_NOTICE, THREAD_CREATED, REPLY, COMMAND, THREAD_STARTER, CONTEXT_MENU = 0, 6, 18, 19, 20, 21, 23
EPHEMERAL, LOADING, SUPPRESS_EMBEDS, HAS_THREAD, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 2, 1 << 5, 1 << 15


@dataclass(slots=True, kw_only=True)
class FakeAttachment:
    """A file on the CDN at `url`. `size` in bytes is what the message says; `data` is what a download gives."""

    id: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)
    url: str
    size: int
    description: str | None = None

    def to_discord(self) -> JSON:
        """The attachment object."""
        shape: JSON = {
            "id": self.id,
            "filename": self.filename,
            "size": self.size,
            "url": self.url,
            "proxy_url": self.url,
            "content_type": self.content_type,
        }
        return shape | {"description": self.description} if self.description else shape


@dataclass(slots=True, kw_only=True, eq=False)
class FakeMessage:
    """A message as it is now.

    `pings`: whom it notified when it was written: `@everyone`, `@here`, `<@&role>`, `<@user>`; an edit notifies nobody.
    `ephemeral_for`: the only user who sees it. `reactions`: emoji (`👍`, `name:id`) to the ids of who reacted.
    `contents`: every content that it has had, the newest last.
    """

    id: str
    channel_id: str
    author: FakeUser
    content: str
    guild_id: str | None = None
    type: int = DEFAULT
    flags: int = 0
    nonce: str | int | None = None
    tts: bool = False
    embeds: list[JSON] = field(default_factory=list)
    components: list[JSON] = field(default_factory=list)
    attachments: list[FakeAttachment] = field(default_factory=list)
    mentions: list[FakeUser] = field(default_factory=list)
    mention_roles: list[str] = field(default_factory=list)
    mention_everyone: bool = False
    pings: list[str] = field(default_factory=list)
    reference: JSON | None = None
    replied_to: FakeMessage | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    pinned_at: float | None = None
    edited_at: float | None = None
    webhook_id: str | None = None
    application_id: str | None = None
    interaction: JSON | None = None
    ephemeral_for: str | None = None
    thread: JSON | None = None
    deleted: bool = False
    contents: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contents.append(self.content)

    @property
    def sent_at(self) -> float:
        """Unix seconds, as its id says."""
        return made_at(self.id)

    @property
    def loading(self) -> bool:
        """A deferred answer that shows "thinking" still."""
        return bool(self.flags & LOADING)

    @property
    def buttons(self) -> list[JSON]:
        """Every button in its components, rows flattened."""
        return [one for one in flat(self.components) if one.get("type") == 2]

    def to_discord(self, *, me: str = "", nested: bool = True) -> JSON:
        """The message object as the API shows it to user `me` (for `me` in reactions)."""
        shape: JSON = {
            "id": self.id,
            "channel_id": self.channel_id,
            "author": self.author.to_discord(),
            "content": self.content,
            "timestamp": timestamp(self.sent_at),
            "edited_timestamp": None if self.edited_at is None else timestamp(self.edited_at),
            "tts": self.tts,
            "mention_everyone": self.mention_everyone,
            "mentions": [user.to_discord() for user in self.mentions],
            "mention_roles": list(self.mention_roles),
            "attachments": [one.to_discord() for one in self.attachments],
            "embeds": self.embeds,
            "components": self.components,
            "pinned": self.pinned_at is not None,
            "type": self.type,
            "flags": self.flags,
        }
        shape |= {name: value for name, value in self._optional().items() if value is not None}
        if self.reactions:
            shape["reactions"] = [_reaction(emoji, users, me) for emoji, users in self.reactions.items()]
        if nested and self.type == REPLY:
            there = self.replied_to if self.replied_to is not None and not self.replied_to.deleted else None
            shape["referenced_message"] = None if there is None else there.to_discord(me=me, nested=False)
        return shape

    def _optional(self) -> JSON:
        return {
            "nonce": self.nonce,
            "message_reference": self.reference,
            "webhook_id": self.webhook_id,
            "application_id": self.application_id,
            "interaction_metadata": self.interaction,
            "thread": self.thread,
        }


def flat(components: list[JSON]) -> list[JSON]:
    """Every component, with those inside rows, sections, containers and labels."""
    found: list[JSON] = []
    for one in components:
        found.append(one)
        found += flat([inner for inner in one.get("components", []) if isinstance(inner, dict)])
        found += flat([one[name] for name in ("accessory", "component") if isinstance(one.get(name), dict)])
    return found


def emoji_of(text: str) -> JSON:
    """The partial emoji object of `👍` or `name:id`."""
    name, _, number = text.rpartition(":")
    return {"id": number, "name": name} if name and number.isdigit() else {"id": None, "name": text}


def _reaction(emoji: str, users: list[str], me: str) -> JSON:
    return {
        "emoji": emoji_of(emoji),
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "me": me in users,
        "me_burst": False,
        "burst_colors": [],
    }
