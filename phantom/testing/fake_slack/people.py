"""What people do in the workspace: write, edit, delete, react; and what happens to the installation.

Each action changes the workspace and sends the app the events that Slack would. Nothing here waits for the app: use
`slack.wait_for(...)` or `slack.settled()`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from phantom.testing.fake_slack.core import Core
from phantom.testing.fake_slack.deliveries import Delivery
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.methods_files import media_type_of, new_file
from phantom.testing.fake_slack.model import FakeChannel, FakeFile, FakeUser
from phantom.testing.fake_slack.payloads import (
    changed_event,
    deleted_event,
    mention_event,
    message_event,
    reaction_event,
    rich_text,
)
from phantom.testing.fake_slack.places import ChannelLike, Places, UserLike

FileLike = FakeFile | tuple[str, bytes]


class People(Places):
    """What people write and do; with `Places`, the user's side of a FakeSlack."""

    core: Core

    async def post(
        self,
        user: UserLike,
        channel: ChannelLike,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[FileLike] = (),
    ) -> FakeMessage:
        """Write a message (joining the channel if need be). `text` is as Slack stores it: see `typed` for raw input.

        The app gets `message`, and `app_mention` with another event id when the bot is mentioned outside a DM.
        `files` are FakeFiles or `(name, bytes)`.
        """
        author, place = self.user(user), self.channel(channel)
        if author.id not in place.members:
            place.members.append(author.id)
        shared = [self._share(one, author, place) for one in files]
        message = FakeMessage(
            channel=place.id,
            ts=self.core.workspace.next_ts(),
            user=author.id,
            text=text,
            team=author.team_id,
            bot_id=author.bot_id,
            app_id=author.app_id,
            thread_ts=thread_ts,
            blocks=rich_text(text) if text and not author.is_bot else [],
            subtype="file_share" if shared else None,
            files=shared,
            client_msg_id=None if author.is_bot else str(uuid.uuid4()),
        )
        self.core.workspace.post(message)
        self.core.emit(message_event(self.core, place, message), channel=place, by=author.id)
        if place.kind != "im" and f"<@{self.core.app.bot_user_id}" in text:
            self.core.emit(mention_event(self.core, place, message), channel=place, by=author.id)
        return message

    async def edit(self, message: FakeMessage, text: str) -> FakeMessage:
        """The author changes their message; the app gets `message_changed`."""
        place, previous = self.channel(message.channel), message.to_slack()
        message.replace(text=text, blocks=rich_text(text), attachments=message.attachments)
        message.edited_ts, message.edited_by = self.core.workspace.next_ts(), message.user
        self.core.workspace.touch("edited", message, message.user)
        self.core.emit(changed_event(self.core, place, message, previous), channel=place, by=message.user)
        return message

    async def delete(self, message: FakeMessage) -> None:
        """The author deletes their message; the app gets `message_deleted`."""
        place = self.channel(message.channel)
        self.core.workspace.delete(message, message.user)
        self.core.emit(deleted_event(self.core, place, message), channel=place, by=message.user)

    async def react(self, user: UserLike, message: FakeMessage, name: str) -> None:
        """Add a reaction; a second one of the same name by the same user does nothing."""
        who = self.user(user).id
        users = message.reactions.setdefault(name, [])
        if who not in users:
            users.append(who)
            self._reacted(name, who, message, added=True)

    async def unreact(self, user: UserLike, message: FakeMessage, name: str) -> None:
        """Take a reaction back."""
        who = self.user(user).id
        users = message.reactions.get(name, [])
        if who in users:
            users.remove(who)
            if not users:
                del message.reactions[name]
            self._reacted(name, who, message, added=False)

    async def open_home(self, user: UserLike, tab: str = "home") -> Delivery | None:
        """`app_home_opened`, when a user opens the app's home or messages tab."""
        who = self.user(user)
        event = {
            "type": "app_home_opened",
            "user": who.id,
            "channel": self.dm(who).id,
            "tab": tab,
            "event_ts": self.core.workspace.next_ts(),
        }
        return self.core.emit(event, by=who.id)

    async def start_assistant_thread(self, user: UserLike) -> str:
        """The user opens the assistant pane: a thread in the DM and `assistant_thread_started`; returns its ts."""
        who = self.user(user)
        place, workspace = self.dm(who), self.core.workspace
        bot = workspace.bot
        root = workspace.post(
            FakeMessage(
                channel=place.id,
                ts=workspace.next_ts(),
                user=bot.id,
                bot_id=bot.bot_id,
                text="New Assistant Thread",
                subtype="assistant_app_thread",
                team=workspace.team.id,
            )
        )
        thread = {
            "user_id": who.id,
            "context": {"team_id": workspace.team.id},
            "channel_id": place.id,
            "thread_ts": root.ts,
        }
        event = {"type": "assistant_thread_started", "assistant_thread": thread, "event_ts": workspace.next_ts()}
        self.core.emit(event, channel=place, by=who.id)
        return root.ts

    async def uninstall(self) -> None:
        """The app is removed: `tokens_revoked` and `app_uninstalled`, and its token is `account_inactive`."""
        self.core.emit(self._tokens_revoked())
        self.core.emit({"type": "app_uninstalled", "event_ts": self.core.workspace.next_ts()})
        self.core.app.token_error = "account_inactive"

    async def revoke_tokens(self) -> None:
        """The bot token is revoked: the event `tokens_revoked`, and calls answer `token_revoked`."""
        self.core.emit(self._tokens_revoked())
        self.core.app.token_error = "token_revoked"

    async def emit(self, event: dict[str, object], *, by: UserLike | None = None) -> Delivery | None:
        """Send any inner event at all inside an authentic envelope (unknown types, odd shapes)."""
        return self.core.emit(event, by=self.user(by).id if by else "")

    def _tokens_revoked(self) -> dict[str, object]:
        tokens = {"oauth": [], "bot": [self.core.app.bot_user_id]}
        return {"type": "tokens_revoked", "tokens": tokens, "event_ts": self.core.workspace.next_ts()}

    def _reacted(self, name: str, who: str, message: FakeMessage, *, added: bool) -> None:
        self.core.workspace.touch("reacted" if added else "unreacted", message, who)
        event = reaction_event(self.core, name, who, message, added=added)
        self.core.emit(event, channel=self.channel(message.channel), by=who)

    def _share(self, file: FileLike, author: FakeUser, place: FakeChannel) -> FakeFile:
        if not isinstance(file, FakeFile):
            name, data = file
            file = new_file(self.core, name=name, data=data, user=author.id, media_type=media_type_of(name))
        file.channels.append(place.id)
        self.core.workspace.files[file.id] = file
        return file
