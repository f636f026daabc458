"""Discord as a side of the local workspace: implements `phantom.dev.side.Side` over FakeDiscord."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from phantom.dev.discord import shapes
from phantom.dev.discord.actions import Actions
from phantom.dev.discord.disturbances import Disturbances
from phantom.dev.discord.guild import LocalGuild
from phantom.dev.discord.record import Record
from phantom.dev.secret_desk import SecretDesk
from phantom.dev.side import JSON, StoredFile, Tell
from phantom.dev.uploads import Uploads
from phantom.testing.fake_discord import FakeChannel, FakeUser
from phantom.testing.fake_discord.calls import DiscordError
from phantom.testing.fake_discord.changes import (
    CallMade,
    Change,
    ChannelChanged,
    CommandsChanged,
    GatewayChanged,
    GuildChanged,
    InteractionChanged,
    MessageChanged,
    TypingStarted,
    UserChanged,
)
from phantom.testing.fake_discord.gateway_session import EventSent


class DiscordSide:
    """`transport`: gateway or http. `kept`: see `LocalGuild`."""

    name = "discord"

    def __init__(self, transport: str, desk: SecretDesk, uploads: Uploads, kept: Path) -> None:
        self._local = LocalGuild(transport, desk, kept)
        self._discord = self._local.discord
        self._record = Record(self._discord, gateway=transport == "gateway")
        self._disturbances = Disturbances(self._local)
        self._table = {**Actions(self._local, uploads).table, **self._disturbances.table}
        self._tell: Tell = lambda what: None

    async def __aenter__(self) -> Self:
        self._local.recall()
        await self._discord.start()
        self._discord.gateway.on_event = self._sent
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._discord.gateway.on_event = None
        await self._discord.stop()

    def variables(self) -> dict[str, str]:
        return self._local.variables()

    def deliver_to(self, url: str) -> None:
        self._local.deliver_to(url)

    async def perform(self, do: str, request: JSON) -> JSON | None:
        action = self._table[do]
        try:
            return await action(request)
        except DiscordError as error:
            raise ValueError(f"{error.message} ({error.code})") from error

    def file(self, file_id: str) -> StoredFile | None:
        found = self._discord.core.world.attachments.get(file_id)
        if found is None:
            return None
        return StoredFile(name=found.filename, media_type=found.content_type, data=found.data)

    # --- what a page gets ---

    def snapshot(self) -> JSON:
        messages = [one for place in self._local.channels() for one in place.messages.values()]
        return {
            "team": self._local.guild.name,
            "transport": self._local.transport,
            "bot": self._discord.bot.id,
            "home": self._local.home.id,
            "users": [shapes.user(one, self._local.guild) for one in self._local.people],
            "roles": shapes.role_list(self._local.guild),
            "channels": [self._channel(one) for one in self._local.channels()],
            "messages": [shapes.message(one) for one in [*messages, *self._discord.ephemerals]],
            "commands": self._commands(),
            "controls": self.controls(),
        }

    def entries(self) -> list[JSON]:
        return self._record.entries()

    def details(self, key: str) -> JSON:
        return self._record.details(key)

    def controls(self) -> JSON:
        return {
            "sockets": len(self._discord.gateway.connections),
            "token": "" if self._local.token_ok else "revoked",
            "intent": self._local.content_granted,
            "armed": self._disturbances.armed(),
        }

    def _commands(self) -> list[JSON]:
        return [shapes.command(one) for one in self._discord.commands()]

    def _channel(self, one: FakeChannel) -> JSON:
        return shapes.channel(one, self._discord)

    # --- following ---

    async def follow(self, tell: Tell) -> None:
        self._tell = tell
        async with self._discord.subscribe() as changes:
            async for change in changes:
                shape = self._shape(change)
                if shape is not None:
                    tell(shape)
                if isinstance(change, CallMade | GatewayChanged):
                    tell({"what": "controls", "controls": self.controls()})

    def _sent(self, event: EventSent) -> None:
        row = self._record.event(event)
        if row is not None:
            self._tell(row)

    def _shape(self, change: Change) -> JSON | None:
        match change:
            case InteractionChanged() | CallMade() | GatewayChanged():
                return self._row(change)
            case MessageChanged():
                return _message(change)
            case ChannelChanged():
                return self._place(change)
            case TypingStarted():
                return {"what": "typing", "channel": change.channel.id, "user": change.user}
            case CommandsChanged():
                self._local.remember()
                return {"what": "commands", "commands": self._commands()}
            case UserChanged() | GuildChanged():
                return self._person(change.user)
            case _:
                assert_never(change)

    def _row(self, change: InteractionChanged | CallMade | GatewayChanged) -> JSON:
        match change:
            case InteractionChanged():
                return self._record.interaction(change.interaction)
            case CallMade():
                return self._record.called(change.call)
            case GatewayChanged():
                return self._record.connection(change)
            case _:
                assert_never(change)

    def _person(self, user: FakeUser | None) -> JSON | None:
        return None if user is None else {"what": "user", "user": shapes.user(user, self._local.guild)}

    def _place(self, change: ChannelChanged) -> JSON:
        if change.what == "deleted":
            return {"what": "channel_gone", "channel": change.channel.id}
        return {"what": "channel", "channel": self._channel(change.channel)}


def _message(change: MessageChanged) -> JSON:
    if change.what == "deleted" or change.message.deleted:
        return {"what": "deleted", "channel": change.message.channel_id, "id": change.message.id}
    return {"what": "message", "change": change.what, "message": shapes.message(change.message)}
