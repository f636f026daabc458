"""Interactions: what a user did with the app, and what the app answered, when and how. The record, not the transports.

Facts: docs.discord.com, "Receiving and Responding": one first answer within 3 seconds; the token works 15 minutes.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from phantom.clock import Clock
from phantom.testing.fake_discord.calls import DiscordError, refused
from phantom.testing.fake_discord.changes import Feed, InteractionChanged
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeUser
from phantom.testing.fake_discord.snowflakes import Snowflakes

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 1, 2, 3, 4, 5
ANSWER_WITHIN = 3.0
TOKEN_LIFETIME = 900.0


@dataclass(slots=True, kw_only=True, eq=False)
class FakeInteraction:
    """One interaction. `type` 1 ping, 2 command, 3 component, 4 autocomplete, 5 modal.

    `response_type` is that of the first answer (4 message, 5 deferred message, 6 deferred update, 7 update, 8 choices,
    9 modal), given `latency` seconds after it was sent; None while there is none. `original` is the message that the
    answer made or (components) came from; `followups` those that came later. `choices` and `modal` are answers 8 and 9.
    Over HTTP, `status` is what the app's endpoint answered and `error` why that was no answer.
    """

    id: str
    type: int
    token: str = field(repr=False)
    user: FakeUser
    channel: FakeChannel
    data: JSON
    payload: JSON = field(repr=False)
    source: FakeMessage | None = None
    sent_at: float
    started: float
    response_type: int | None = None
    response: JSON | None = None
    latency: float | None = None
    original: FakeMessage | None = None
    followups: list[FakeMessage] = field(default_factory=list)
    choices: list[JSON] | None = None
    modal: JSON | None = None
    over_http: bool = False
    status: int | None = None
    error: str = ""
    settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def acknowledged(self) -> bool:
        """Whether the app has answered in time."""
        return self.response_type is not None

    @property
    def deferred(self) -> bool:
        """Whether the first answer was to say that one will come."""
        return self.response_type in (5, 6)

    @property
    def replies(self) -> list[FakeMessage]:
        """Every message that answers it and is complete, oldest first."""
        own = [self.original] if self.original is not None and self.original is not self.source else []
        return [one for one in [*own, *self.followups] if not one.loading and not one.deleted]

    async def answered(self, timeout: float = 30.0) -> FakeInteraction:  # noqa: ASYNC109
        """Wait for the first answer, or for its failure (`error`). TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            await self.settled.wait()
        return self


class Interactions:
    """Issues interactions and keeps their tokens."""

    def __init__(self, clock: Clock, feed: Feed, ids: Snowflakes) -> None:
        self._clock = clock
        self._feed = feed
        self._ids = ids
        self.all: list[FakeInteraction] = []
        self._by_token: dict[str, FakeInteraction] = {}
        self.answer_within = ANSWER_WITHIN

    def open(
        self, kind: int, user: FakeUser, channel: FakeChannel, data: JSON, source: FakeMessage | None = None
    ) -> FakeInteraction:
        """A new one; its payload is filled in by who sends it."""
        interaction = FakeInteraction(
            id=self._ids.next(),
            type=kind,
            token=secrets.token_urlsafe(96),
            user=user,
            channel=channel,
            data=data,
            payload={},
            source=source,
            sent_at=self._clock.now(),
            started=self._clock.monotonic(),
        )
        self.all.append(interaction)
        self._by_token[interaction.token] = interaction
        return interaction

    def for_callback(self, interaction_id: str, token: str) -> FakeInteraction:
        """The one to be answered now. Raises 10062 when unknown or three seconds old, 40060 when answered before."""
        interaction = self._by_token.get(token)
        if interaction is None or interaction.id != interaction_id:
            raise refused(10062)
        if interaction.acknowledged:
            raise refused(40060)
        if self.age(interaction) > self.answer_within or interaction.error:
            raise refused(10062)
        return interaction

    def for_webhook(self, application_id: str, webhook_id: str, token: str, expired_code: int) -> FakeInteraction:
        """The one that a token speaks for. Raises 10015 unless it was answered, `expired_code` after 15 minutes."""
        interaction = self._by_token.get(token)
        if interaction is None or webhook_id != application_id or not interaction.acknowledged:
            raise refused(10015)
        if self.age(interaction) > TOKEN_LIFETIME:
            raise refused(expired_code)
        return interaction

    def acknowledge(self, interaction: FakeInteraction, response: JSON) -> None:
        """Record the first answer. Raises 10062 when it comes too late (over HTTP it is just not taken)."""
        if self.age(interaction) > self.answer_within:
            raise refused(10062)
        interaction.response_type, interaction.response = int(response["type"]), response
        interaction.latency = self.age(interaction)

    def settle(self, interaction: FakeInteraction, what: str, error: str = "") -> None:
        """Publish that it was acknowledged or failed, and let those go on who wait for it."""
        interaction.error = error
        interaction.settled.set()
        self.changed(interaction, what)

    def changed(self, interaction: FakeInteraction, what: str) -> None:
        """Publish a change."""
        self._feed.publish(InteractionChanged(what=what, interaction=interaction))

    def age(self, interaction: FakeInteraction) -> float:
        """Seconds since it was sent."""
        return self._clock.monotonic() - interaction.started

    async def expire(self, interaction: FakeInteraction) -> None:
        """The user sees "The application did not respond" when three seconds pass without an answer."""
        await self._clock.sleep(self.answer_within + 0.001)
        if not interaction.acknowledged and not interaction.settled.is_set():
            self.settle(interaction, "failed", f"not answered within {self.answer_within:g} seconds")


def check_response(body: object, interaction: FakeInteraction) -> JSON:
    """A callback's body. Raises 50035 for an answer that this type of interaction does not take."""
    if not isinstance(body, dict) or not isinstance(body.get("type"), int):
        raise DiscordError(400, 50035, "Invalid Form Body")
    allowed = {
        PING: {1},
        COMMAND: {4, 5, 9},
        COMPONENT: {4, 5, 6, 7, 9},
        AUTOCOMPLETE: {8},
        MODAL_SUBMIT: {4, 5, 6, 7},
    }[interaction.type]
    if body["type"] not in allowed:
        raise DiscordError(400, 50035, "Invalid Form Body", {"type": {"_errors": [{"code": "BASE_TYPE_CHOICES"}]}})
    return body
