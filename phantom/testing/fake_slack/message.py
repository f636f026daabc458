"""One message: what it shows, how Slack's API tells it, whom it would notify. State only."""

from __future__ import annotations

from dataclasses import dataclass, field

from phantom.testing.fake_slack.model import JSON, FakeFile
from phantom.testing.fake_slack.pings import pings_of


@dataclass(slots=True, kw_only=True)
class FakeMessage:
    """One message. `ts` is its id inside the channel; `versions` keeps what earlier edits showed.

    `ephemeral_for` is the one user who sees it; `author_name` and `icon` are `chat:write.customize` overrides.
    """

    channel: str
    ts: str
    user: str
    text: str
    bot_id: str | None = None
    app_id: str | None = None
    team: str = ""
    blocks: list[JSON] = field(default_factory=list)
    attachments: list[JSON] = field(default_factory=list)
    metadata: JSON | None = None
    thread_ts: str | None = None
    edited_ts: str | None = None
    edited_by: str | None = None
    subtype: str | None = None
    client_msg_id: str | None = None
    files: list[FakeFile] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    ephemeral_for: str | None = None
    author_name: str | None = None
    icon: str | None = None
    link_names: bool = False
    deleted: bool = False
    streaming: bool = False
    versions: list[tuple[str, list[JSON], list[JSON]]] = field(default_factory=list)

    @property
    def pings(self) -> list[str]:
        """Everything that this message would notify, in any of its versions; empty is what a bot wants."""
        found: list[str] = []
        for text, blocks, attachments in [*self.versions, (self.text, self.blocks, self.attachments)]:
            found += pings_of(text, blocks, attachments, link_names=self.link_names)
        return list(dict.fromkeys(found))

    @property
    def is_reply(self) -> bool:
        """True inside a thread, false for its root."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def buttons(self) -> list[JSON]:
        """The button elements of its blocks, in order, each with its `block_id`."""
        found: list[JSON] = []
        for block in self.blocks:
            elements = [*block.get("elements", []), block.get("accessory") or {}]
            found += [{**item, "block_id": block.get("block_id", "")} for item in elements if _is_control(item)]
        return found

    @property
    def shown(self) -> str:
        """What a reader sees as text: the markdown, section and context texts of the blocks, or else `text`."""
        return "\n".join(_block_texts(self.blocks)) or self.text

    def replace(self, *, text: str, blocks: list[JSON], attachments: list[JSON]) -> None:
        """Show something else, remembering what was shown."""
        self.versions.append((self.text, self.blocks, self.attachments))
        self.text, self.blocks, self.attachments = text, blocks, attachments

    def to_slack(self, *, with_metadata: bool = False) -> JSON:
        """As in `conversations.history` and inside events."""
        shape: JSON = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "team": self.team}
        optional: JSON = {
            "subtype": self.subtype,
            "client_msg_id": self.client_msg_id,
            "bot_id": self.bot_id,
            "app_id": self.app_id,
            "thread_ts": self.thread_ts,
            "username": self.author_name,
            "blocks": self.blocks or None,
            "attachments": self.attachments or None,
            "metadata": self.metadata if with_metadata else None,
        }
        shape |= {key: value for key, value in optional.items() if value is not None}
        if self.edited_ts:
            shape["edited"] = {"user": self.edited_by or self.user, "ts": self.edited_ts}
        if self.files:
            shape |= {"files": [file.to_slack() for file in self.files], "upload": False}
        if self.reactions:
            shape["reactions"] = self.reactions_to_slack()
        return shape

    def reactions_to_slack(self) -> list[JSON]:
        """As in `reactions.get`."""
        return [{"name": name, "users": list(who), "count": len(who)} for name, who in self.reactions.items()]


def _is_control(item: JSON) -> bool:
    return bool(item) and "action_id" in item


def _block_texts(blocks: list[JSON]) -> list[str]:
    texts: list[str] = []
    for block in blocks:
        text = block.get("text")
        if isinstance(text, str):
            texts.append(text)
        elif isinstance(text, dict):
            texts.append(str(text.get("text", "")))
        elif block.get("type") == "context":
            texts += [str(item["text"]) for item in block.get("elements", []) if isinstance(item.get("text"), str)]
    return texts
