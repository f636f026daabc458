"""What people write and do: post, edit, delete, react, pin, type. Commands and clicks are in `people_interactions.py`.

Each action changes the world and sends the app the events that Discord would. Nothing here waits for the app: use
`discord.wait_for(...)`.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence

from phantom.testing.fake_discord.compose import compose, mention
from phantom.testing.fake_discord.message import FakeAttachment, FakeMessage
from phantom.testing.fake_discord.model import JSON, FakeChannel
from phantom.testing.fake_discord.places import ChannelLike, Places, UserLike

FileLike = FakeAttachment | tuple[str, bytes]


class People(Places):
    """What people write and do; with `Places`, the user's side of a FakeDiscord."""

    async def post(
        self,
        user: UserLike,
        channel: ChannelLike,
        text: str,
        *,
        reply_to: FakeMessage | None = None,
        ping_author: bool = True,
        files: Sequence[FileLike] = (),
        embeds: Sequence[JSON] = (),
    ) -> FakeMessage:
        """Write a message; `text` is as Discord stores it (`<@id>` for a mention). `files` are `(name, bytes)`.

        `ping_author`: whether a reply notifies (and mentions) the author of what it replies to.
        """
        author, place = self.user(user), self.channel(channel)
        body: JSON = {"content": text, "embeds": list(embeds)}
        if reply_to is not None and not ping_author:
            body["allowed_mentions"] = {"parse": ["users", "roles", "everyone"], "replied_user": False}
        shared = [self._share(one, place) for one in files]
        message = compose(self.core.world, place, author, body, files=shared, replied_to=reply_to)
        return self.core.happenings.post(message)

    async def post_in_forum(self, user: UserLike, forum: ChannelLike, title: str, text: str) -> FakeMessage:
        """A forum post: a thread and its first message, which has the thread's id. Returns the message."""
        thread = self.new_forum_post(self.user(user), self.channel(forum), title)
        message = compose(self.core.world, thread, self.user(user), {"content": text})
        message.id = thread.id
        return self.core.happenings.post(message)

    async def edit(self, message: FakeMessage, text: str) -> FakeMessage:
        """The author changes their message; nobody is notified."""
        message.content = text
        mention(self.core.world, self.core.world.channels[message.channel_id], message, None, ping=False)
        self.core.happenings.edited(message)
        return message

    async def delete(self, *messages: FakeMessage) -> None:
        """The author deletes their message (several: a moderator deletes them in bulk)."""
        self.core.happenings.delete(list(messages), messages[0].author.id)

    async def react(self, user: UserLike, message: FakeMessage, emoji: str) -> None:
        """Add a reaction, `👍` or `name:id`; a second one of the same user does nothing."""
        self.core.happenings.react(self.user(user), message, emoji)

    async def unreact(self, user: UserLike, message: FakeMessage, emoji: str) -> None:
        """Take a reaction back."""
        self.core.happenings.unreact(self.user(user), message, emoji)

    async def pin(self, user: UserLike, message: FakeMessage, *, pinned: bool = True) -> None:
        """Pin or unpin a message."""
        self.core.happenings.pin(message, self.user(user).id, pinned=pinned)

    async def type(self, user: UserLike, channel: ChannelLike) -> None:
        """Start typing."""
        self.core.happenings.typing(self.user(user), self.channel(channel))

    async def emit(self, event: str, data: JSON, *, guild_id: str | None = None) -> None:
        """Send the app any dispatch at all (unknown events, odd shapes); only the intents filter it."""
        self.core.gateway.dispatch(event, data, guild_id=guild_id, channel=None)

    def share(self, channel: ChannelLike, name: str, data: bytes) -> FakeAttachment:
        """A file on the CDN, to be posted with `files` (change its `size` or `data` first to make it lie)."""
        return self._share((name, data), self.channel(channel))

    def _share(self, file: FileLike, place: FakeChannel) -> FakeAttachment:
        if isinstance(file, FakeAttachment):
            return file
        name, data = file
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self.core.world.attach(place.id, name, data, kind)
