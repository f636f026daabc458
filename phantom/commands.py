"""`/phantom help | status | new | stop`: answered privately, at once, also while a turn is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

from phantom.access import AccessRules, may_talk
from phantom.capabilities import Capability
from phantom.channel import Channel, SupportsAuthors
from phantom.egress import Egress
from phantom.errors import ChannelError
from phantom.events import Command, CommandInvoked
from phantom.journal import Journal
from phantom.messages import AuthorFacts, OutboundMessage, Tone
from phantom.sessions import Sessions
from phantom.turn_runner import TurnRunner

HELP = """**{name}** answers when you mention it, write to it directly, or go on in a thread where you asked it.

- `/phantom ask <question>`: ask privately, from anywhere
- `/phantom status`: how it is doing
- `/phantom new`: forget this conversation and start afresh
- `/phantom stop`: stop what it is doing for you here
- `/phantom help`: this text"""
REFUSED = "Sorry, I am not set up to talk to you here. Whoever runs me can allow it in the access settings."

StatusText = Callable[[], Awaitable[str]]


class Commands:
    """Runs one command; `run` returns a metric label."""

    def __init__(
        self,
        *,
        name: str,
        journal: Journal,
        sessions: Sessions,
        egress: Egress,
        channels: Mapping[str, Channel],
        rules: Mapping[str, AccessRules],
        runner: TurnRunner,
        status: StatusText,
    ) -> None:
        self._name = name
        self._journal = journal
        self._sessions = sessions
        self._egress = egress
        self._channels = channels
        self._rules = rules
        self._runner = runner
        self._status = status

    async def run(self, event: CommandInvoked) -> str:
        """Do it and answer privately."""
        permitted = await self._permitted(event)
        text = await self._text(event) if permitted else REFUSED
        channel = self._channels[event.conversation.channel]
        await self._egress.deliver(
            channel,
            OutboundMessage(
                conversation=event.conversation,
                text=text,
                idempotency_key=f"command/{event.event_id}/0",
                tone=Tone.NOTICE,
                only_for=event.author.id,
                respond_url=event.respond_url,
            ),
        )
        return f"command_{event.command.value}" if permitted else "command_refused"

    async def _permitted(self, event: CommandInvoked) -> bool:
        """The same rule as for messages; help is for everyone."""
        if event.command is Command.HELP:
            return True
        rules = self._rules[event.conversation.channel]
        channel = self._channels[event.conversation.channel]
        facts: AuthorFacts | None = AuthorFacts()
        if isinstance(channel, SupportsAuthors) and Capability.AUTHORS in channel.capabilities:
            try:
                facts = await channel.author_facts(event.conversation, event.author.id)
            except ChannelError:
                facts = None
        return may_talk(event.author, event.conversation, rules, facts).accepted

    async def _text(self, event: CommandInvoked) -> str:
        match event.command:
            case Command.HELP | Command.ASK:
                return HELP.format(name=self._name)
            case Command.STATUS:
                return await self._status()
            case Command.NEW:
                count = await self._sessions.renew(event.conversation, event.author.id)
                if count:
                    return "Done: I have forgotten our conversation here. What is next?"
                return "We have not talked here yet, so there is nothing to forget."
            case Command.STOP:
                return await self._stop(event)
            case _:
                assert_never(event.command)

    async def _stop(self, event: CommandInvoked) -> str:
        prefix = event.conversation.place_key + "/"
        owner = self._rules[event.conversation.channel].owner
        author = None if owner and event.author.id == owner else event.author.id
        stopped = self._runner.stop(prefix, author)
        dropped = await self._runner.drop_waiting(prefix, author)
        if not stopped and not dropped:
            return "Nothing of yours is running here."
        said = [f"stopped {stopped} answer{'s' if stopped != 1 else ''} under way"] if stopped else []
        if dropped:
            said.append(f"dropped {dropped} waiting message{'s' if dropped != 1 else ''}")
        return "Done: " + " and ".join(said) + "."
