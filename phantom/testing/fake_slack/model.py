"""The things in a Slack workspace, each able to say how Slack's API shows it. State only, no behaviour of the server.

What does *not* live here: messages (`message.py`), how things are created and found (`workspace.py`) and who is told
about them (`changes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phantom.testing.fake_slack.message import FakeMessage

JSON = dict[str, Any]
"""A JSON object as it goes over the wire."""

KINDS = {"channel": "C", "group": "G", "im": "D", "mpim": "G"}
"""Slack's `channel_type` of an event, and the letter that ids of that kind start with."""


@dataclass(slots=True, kw_only=True)
class FakeTeam:
    """A workspace. `enterprise_id` is set inside an Enterprise Grid organisation."""

    id: str
    name: str
    domain: str
    enterprise_id: str | None = None
    enterprise_name: str | None = None

    def to_slack(self) -> JSON:
        """As in `team.info`."""
        shape: JSON = {"id": self.id, "name": self.name, "domain": self.domain, "icon": {"image_default": True}}
        if self.enterprise_id:
            shape |= {"enterprise_id": self.enterprise_id, "enterprise_name": self.enterprise_name or ""}
        return shape


@dataclass(slots=True, kw_only=True)
class FakeUser:
    """A person or a bot user. Guests: `is_restricted` (several channels), `is_ultra_restricted` (one channel).
    `is_stranger`: of another workspace, seen through a shared channel.
    """

    id: str
    name: str
    real_name: str
    team_id: str
    is_bot: bool = False
    is_owner: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    bot_id: str | None = None
    app_id: str | None = None
    enterprise_id: str | None = None

    @property
    def mention(self) -> str:
        """`<@U…>`, as it stands in a message's text."""
        return f"<@{self.id}>"

    def to_slack(self) -> JSON:
        """As in `users.info`."""
        profile: JSON = {
            "real_name": self.real_name,
            "display_name": self.name,
            "real_name_normalized": self.real_name,
            "display_name_normalized": self.name,
            "team": self.team_id,
        }
        shape: JSON = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "tz": "Etc/UTC",
            "tz_offset": 0,
            "profile": profile,
            "is_admin": self.is_owner,
            "is_owner": self.is_owner,
            "is_primary_owner": self.is_owner,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1700000000,
        }
        if self.is_stranger:
            shape["is_stranger"] = True
        if self.bot_id:
            profile |= {"bot_id": self.bot_id, "api_app_id": self.app_id or ""}
        if self.enterprise_id:
            shape["enterprise_user"] = {"id": self.id, "enterprise_id": self.enterprise_id, "teams": [self.team_id]}
        return shape


@dataclass(slots=True, kw_only=True)
class FakeFile:
    """An uploaded file. `url` is where the bytes are, and needs the bearer."""

    id: str
    name: str
    title: str
    media_type: str
    data: bytes
    user: str
    url: str
    created: int
    channels: list[str] = field(default_factory=list)

    def to_slack(self) -> JSON:
        """As in `files.info` and in a message's `files`."""
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title,
            "mimetype": self.media_type,
            "filetype": self.name.rpartition(".")[2] if "." in self.name else "binary",
            "size": len(self.data),
            "user": self.user,
            "mode": "hosted",
            "is_external": False,
            "is_public": False,
            "created": self.created,
            "timestamp": self.created,
            "channels": list(self.channels),
            "url_private": self.url,
            "url_private_download": self.url.replace("/files-pri/", "/files-pri/download/", 1),
            "file_access": "visible",
        }


@dataclass(slots=True, kw_only=True)
class FakeChannel:
    """A conversation. `kind` is `channel` (public), `group` (private), `im` or `mpim`; `messages` is ordered by ts."""

    id: str
    name: str
    kind: str
    team_id: str
    members: list[str] = field(default_factory=list)
    is_archived: bool = False
    connected_teams: list[str] = field(default_factory=list)
    created: int = 1700000000
    messages: dict[str, FakeMessage] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    prompts: list[JSON] = field(default_factory=list)

    @property
    def is_ext_shared(self) -> bool:
        """Shared with another organisation (Slack Connect)."""
        return bool(self.connected_teams)

    def to_slack(self) -> JSON:
        """As in `conversations.info`."""
        shape: JSON = {
            "id": self.id,
            "created": self.created,
            "is_archived": self.is_archived,
            "is_im": self.kind == "im",
            "is_org_shared": False,
            "context_team_id": self.team_id,
        }
        if self.kind == "im":
            return shape | {"user": self.members[0] if self.members else ""}
        return shape | {
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "channel",
            "is_general": self.name == "general",
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True, kw_only=True)
class FakeView:
    """An open modal or a home tab. `content` is what the app sent; `root_id`/`previous_id` place it on the stack."""

    id: str
    user: str
    content: JSON
    hash: str
    root_id: str
    previous_id: str | None = None
    errors: dict[str, str] = field(default_factory=dict)

    def to_slack(self, *, team_id: str, app_id: str, bot_id: str, values: JSON | None = None) -> JSON:
        """As in `views.open` and in `view_submission`."""
        defaults: JSON = {
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "clear_on_close": False,
            "notify_on_close": False,
            "submit": None,
            "close": None,
        }
        return (
            defaults
            | self.content
            | {
                "id": self.id,
                "team_id": team_id,
                "app_id": app_id,
                "app_installed_team_id": team_id,
                "bot_id": bot_id,
                "hash": self.hash,
                "root_view_id": self.root_id,
                "previous_view_id": self.previous_id,
                "state": {"values": values or {}},
            }
        )
