"""What people do with the app itself: commands, autocomplete, menus, buttons, selects, modals, and authorising it.

Each returns the FakeInteraction at once; `await interaction.answered()` waits for the app's first answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phantom.testing.fake_discord.command_book import CHAT_INPUT, MESSAGE, USER
from phantom.testing.fake_discord.http_sender import HttpSender, Posted
from phantom.testing.fake_discord.interaction_payloads import command_data, modal_values, payload_of, resolve
from phantom.testing.fake_discord.interactions import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    MODAL_SUBMIT,
    FakeInteraction,
)  # fmt: skip
from phantom.testing.fake_discord.message import FakeMessage, flat
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeGuild, FakeUser
from phantom.testing.fake_discord.people import People
from phantom.testing.fake_discord.places import ChannelLike, UserLike
from phantom.testing.fake_discord.snowflakes import timestamp


class PeopleInteractions(People):
    """The user's side of interactions."""

    sender: HttpSender

    def deliver_interactions_over_http(self, url: str) -> None:
        """Post interactions to `url` from now on, signed, instead of sending them over the gateway."""
        self.sender.interactions_url = self.core.app.interactions_url = url

    def deliver_events_over_http(self, url: str) -> None:
        """Post webhook events to `url`."""
        self.sender.events_url = url

    def deliver_interactions_over_gateway(self) -> None:
        """Undo `deliver_interactions_over_http`."""
        self.sender.interactions_url = self.core.app.interactions_url = None

    async def command(
        self,
        user: UserLike,
        channel: ChannelLike,
        name: str,
        subcommand: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> FakeInteraction:
        """Use a slash command, as `/name subcommand option:value`. Raises LookupError unless it is registered so."""
        place = self.channel(channel)
        data = command_data(
            self.core, self._registered(name, CHAT_INPUT, place), self._guild(place), subcommand, dict(options or {})
        )
        return self.interact(COMMAND, self.user(user), place, data)

    async def autocomplete(
        self,
        user: UserLike,
        channel: ChannelLike,
        name: str,
        subcommand: str,
        focused: str,
        value: str,
        options: Mapping[str, Any] | None = None,
    ) -> FakeInteraction:
        """Type `value` into the option `focused`; the app's suggestions are in `choices`."""
        place = self.channel(channel)
        command = self._registered(name, CHAT_INPUT, place)
        given = {**(options or {}), focused: value}
        data = command_data(self.core, command, self._guild(place), subcommand, given, focused=focused)
        return self.interact(AUTOCOMPLETE, self.user(user), place, data)

    async def context_menu(self, user: UserLike, name: str, target: FakeMessage | FakeUser,
                           channel: ChannelLike | None = None) -> FakeInteraction:  # fmt: skip
        """Use an entry of the Apps menu of a message, or of a user (then say in which `channel`)."""
        resolved: JSON = {}
        if isinstance(target, FakeMessage):
            place, kind = self.channel(target.channel_id), MESSAGE
            resolved["messages"] = {target.id: target.to_discord(me=self.core.world.bot.id)}
        else:
            if channel is None:
                raise ValueError("say in which channel the user's menu is opened")
            place, kind = self.channel(channel), USER
            resolve(self.core, self._guild(place), resolved, target)
        command = self._registered(name, kind, place)
        data = {"id": command["id"], "name": name, "type": kind, "target_id": target.id, "resolved": resolved}
        return self.interact(COMMAND, self.user(user), place, data)

    async def click(self, user: UserLike, message: FakeMessage, custom_id: str) -> FakeInteraction:
        """Press a button. Raises LookupError when the message has none such, or it is disabled."""
        button = self._component(message, custom_id)
        data = {"custom_id": custom_id, "component_type": button["type"], "id": button.get("id", 1)}
        return self.interact(COMPONENT, self.user(user), self.channel(message.channel_id), data, message)

    async def select(
        self, user: UserLike, message: FakeMessage, custom_id: str, values: Sequence[Any]
    ) -> FakeInteraction:
        """Choose in a select menu; `values` are texts, or users, roles and channels."""
        menu = self._component(message, custom_id)
        place = self.channel(message.channel_id)
        resolved: JSON = {}
        chosen = [resolve(self.core, self._guild(place), resolved, value) for value in values]
        data: JSON = {"custom_id": custom_id, "component_type": menu["type"], "id": menu.get("id", 1)}
        data |= {"values": chosen} | ({"resolved": resolved} if resolved else {})
        return self.interact(COMPONENT, self.user(user), place, data, message)

    async def submit_modal(self, opened: FakeInteraction, values: Mapping[str, str] | None = None) -> FakeInteraction:
        """Submit the modal that the app answered `opened` with. Raises LookupError without one, or a missing field."""
        if opened.modal is None:
            raise LookupError("that interaction was not answered with a modal")
        shown = modal_values(opened.modal, dict(values or {}))
        data = {"custom_id": opened.modal["custom_id"], "components": shown}
        return self.interact(MODAL_SUBMIT, opened.user, opened.channel, data, opened.source)

    def interact(
        self,
        kind: int,
        user: FakeUser,
        channel: FakeChannel,
        data: JSON,
        source: FakeMessage | None = None,
        *,
        more: JSON | None = None,
    ) -> FakeInteraction:
        """Send an interaction with any data at all (unknown commands, stale buttons, odd types). `more` is put over
        the payload: `{"context": 2}` for direct messages between other people.
        """
        interaction = self.core.interactions.open(kind, user, channel, data, source)
        interaction.payload = payload_of(self.core, interaction) | (more or {})
        self.core.interactions.changed(interaction, "sent")
        if self.sender.interactions_url is not None:
            self.sender.send(interaction)
        else:
            self.core.gateway.dispatch(
                "INTERACTION_CREATE", interaction.payload, guild_id=channel.guild_id, channel=None
            )
        self.sender.spawn(self.core.interactions.expire(interaction))
        return interaction

    async def ping_endpoint(self) -> Posted:
        """The PING with which Discord checks the interactions endpoint."""
        return await self.sender.ping()

    async def webhook_event(self, name: str, data: JSON) -> Posted:
        """Post a webhook event (type 1)."""
        event = {"type": name, "timestamp": timestamp(self.core.clock.now()), "data": data}
        return await self.sender.event(1, event)

    async def ping_events(self) -> Posted:
        """The PING (type 0) with which Discord checks the events endpoint."""
        return await self.sender.event(0)

    async def authorise(self, user: UserLike, guild: FakeGuild | None = None) -> Posted:
        """A user adds the app to a guild, or (None) to their account: webhook event `APPLICATION_AUTHORIZED`."""
        data: JSON = {
            "integration_type": 0 if guild else 1,
            "user": self.user(user).to_discord(),
            "scopes": ["applications.commands", "bot"] if guild else ["applications.commands"],
        }
        return await self.webhook_event(
            "APPLICATION_AUTHORIZED", data | ({"guild": guild.to_discord()} if guild else {})
        )

    def _registered(self, name: str, kind: int, place: FakeChannel) -> JSON:
        command = self.core.commands.find(name, kind, place.guild_id)
        if command is None:
            known = [one["name"] for one in self.core.commands.all(place.guild_id) + self.core.commands.all(None)]
            raise LookupError(f"no command {name} of type {kind} is registered; there are {known}")
        return command

    def _component(self, message: FakeMessage, custom_id: str) -> JSON:
        found = next((one for one in flat(message.components) if one.get("custom_id") == custom_id), None)
        if found is None or found.get("disabled") or message.deleted:
            raise LookupError(f"message {message.id} shows no enabled component {custom_id}")
        return found

    def _guild(self, place: FakeChannel) -> FakeGuild | None:
        return self.core.world.guild_of(place)
