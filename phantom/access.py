"""Who may talk to the agent, and when the agent is meant. Pure decisions; channels supply the facts.

The same rules hold on every transport. What does *not* live here: looking people up, storing anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phantom.messages import Author, AuthorFacts, ConversationKind, ConversationRef, InboundMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """A channel's rules. With neither owner nor lists, every full member of the workspace may talk; as soon as one is
    set, only the owner, listed users, people with a listed role, and members in listed channels may. Guests and people
    of other workspaces are out unless allowed or listed by id. `bots`: none, mentions or all; `thread_followups`:
    mention, own or all; `group_dms`: all or mention. `bot_budget` is how many turns a bot gets in one conversation per
    hour.
    """

    owner: str = ""
    allowed_users: frozenset[str] = frozenset()
    allowed_channels: frozenset[str] = frozenset()
    allowed_roles: frozenset[str] = frozenset()
    direct_messages: bool = True
    allow_guests: bool = False
    allow_external: bool = False
    bots: str = "none"
    thread_followups: str = "own"
    group_dms: str = "all"
    bot_budget: int = 5

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> AccessRules:
        """From a channel's own settings; lists become sets, None becomes empty."""
        values = dict(options)
        for name in ("allowed_users", "allowed_channels", "allowed_roles"):
            listed = values.get(name) or ()
            values[name] = frozenset(listed if isinstance(listed, list | tuple | set | frozenset) else ())
        values["owner"] = values.get("owner") or ""
        return cls(**values)  # type: ignore[arg-type]

    @property
    def open_to_members(self) -> bool:
        """Whether every full member may talk."""
        return not (self.owner or self.allowed_users or self.allowed_channels or self.allowed_roles)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted, or not and why (a short metric label)."""

    accepted: bool
    reason: str = ""


ACCEPTED = Verdict(True)


def meant_for_us(message: InboundMessage, rules: AccessRules, *, engaged: bool, spoke_before: bool) -> Verdict:
    """Whether the message addresses the agent. `engaged`: the agent has answered in this thread;
    `spoke_before`: this author has addressed it there.
    """
    if message.author.is_self:
        return Verdict(False, "self")
    if message.author.is_bot and not _bot_may(message, rules):
        return Verdict(False, "bot")
    kind = message.conversation.kind
    if kind is ConversationKind.DIRECT:
        return ACCEPTED if rules.direct_messages else Verdict(False, "direct_messages_off")
    if message.mentions_me:
        return ACCEPTED
    if message.mentions_others:
        return Verdict(False, "addressed_to_others")
    if kind is ConversationKind.GROUP:
        return ACCEPTED if rules.group_dms == "all" else Verdict(False, "not_addressed")
    follows = engaged and (rules.thread_followups == "all" or (rules.thread_followups == "own" and spoke_before))
    return ACCEPTED if follows else Verdict(False, "not_addressed")


def _bot_may(message: InboundMessage, rules: AccessRules) -> bool:
    return rules.bots == "all" or (rules.bots == "mentions" and message.mentions_me)


def listed(author: Author, rules: AccessRules) -> bool:
    """Named by id or role: no look-up is needed and guest or foreign status does not matter."""
    named = bool(author.id) and (author.id == rules.owner or author.id in rules.allowed_users)
    return named or not rules.allowed_roles.isdisjoint(author.roles)


def may_talk(author: Author, conversation: ConversationRef, rules: AccessRules, facts: AuthorFacts | None) -> Verdict:
    """Whether this person may drive the agent here; a listed channel counts for its threads too. `facts` is None when
    they were not (or could not be) looked up: then everyone who is not listed is refused.
    """
    if listed(author, rules):
        return ACCEPTED
    places = {conversation.place, conversation.thread, conversation.within}
    if not rules.open_to_members and rules.allowed_channels.isdisjoint(places):
        return Verdict(False, "not_allowed")
    if author.is_external and not rules.allow_external:
        return Verdict(False, "external")
    if author.is_bot:
        return ACCEPTED  # `meant_for_us` has applied the bot rule
    if facts is None:
        return Verdict(False, "author_unknown")
    if facts.is_deleted:
        return Verdict(False, "deactivated")
    if facts.is_external and not rules.allow_external:
        return Verdict(False, "external")
    if facts.is_guest and not rules.allow_guests:
        return Verdict(False, "guest")
    return ACCEPTED


class LoopBudget:
    """How often bots may start a turn in one conversation: two bots that answer each other stop after `limit`.

    A person's message in the conversation gives the budget back. Times are monotonic seconds.
    """

    WINDOW = 3600.0
    MAX_TRACKED = 10_000

    def __init__(self) -> None:
        self._spent: dict[str, list[float]] = {}

    def take(self, conversation: str, limit: int, now: float) -> bool:
        """Spend one; False when the budget is used up."""
        recent = [at for at in self._spent.get(conversation, []) if now - at < self.WINDOW]
        if len(recent) >= limit:
            self._spent[conversation] = recent
            return False
        if conversation not in self._spent and len(self._spent) >= self.MAX_TRACKED:
            self._spent.pop(next(iter(self._spent)))
        self._spent[conversation] = [*recent, now]
        return True

    def restore(self, conversation: str) -> None:
        """A person spoke."""
        self._spent.pop(conversation, None)
