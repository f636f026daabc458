"""Who may talk and when the agent is meant: the whole table, and what holds for every combination."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.access import AccessRules, LoopBudget, listed, may_talk, meant_for_us
from phantom.messages import Author, AuthorFacts, ConversationKind, ConversationRef, InboundMessage

MEMBER = AuthorFacts()


def place(
    kind: ConversationKind = ConversationKind.PUBLIC, name: str = "C1", thread: str | None = "1.1"
) -> ConversationRef:
    return ConversationRef(channel="slack", tenant="T1", place=name, thread=thread, kind=kind)


def message(
    kind: ConversationKind = ConversationKind.PUBLIC,
    *,
    me: bool = False,
    others: bool = False,
    bot: bool = False,
    own: bool = False,
) -> InboundMessage:
    return InboundMessage(
        event_id="E1",
        logical_id="L1",
        conversation=place(kind),
        message_id="1.2",
        author=Author(id="U1", is_bot=bot, is_self=own),
        text="hi",
        sent_at=0.0,
        mentions_me=me,
        mentions_others=others,
    )


@pytest.mark.parametrize(
    ("said", "rules", "engaged", "spoke", "reason"),
    [
        (message(me=True), AccessRules(), False, False, ""),
        (message(), AccessRules(), False, False, "not_addressed"),
        (message(), AccessRules(), True, False, "not_addressed"),
        (message(), AccessRules(), True, True, ""),
        (message(), AccessRules(thread_followups="all"), True, False, ""),
        (message(), AccessRules(thread_followups="all"), False, False, "not_addressed"),
        (message(), AccessRules(thread_followups="mention"), True, True, "not_addressed"),
        (message(others=True), AccessRules(thread_followups="all"), True, True, "addressed_to_others"),
        (message(me=True, others=True), AccessRules(), False, False, ""),
        (message(ConversationKind.DIRECT), AccessRules(), False, False, ""),
        (message(ConversationKind.GROUP), AccessRules(), False, False, ""),
        (message(ConversationKind.GROUP), AccessRules(group_dms="mention"), True, True, "not_addressed"),
        (message(ConversationKind.GROUP, me=True), AccessRules(group_dms="mention"), False, False, ""),
        (message(me=True, own=True), AccessRules(bots="all"), True, True, "self"),
        (message(me=True, bot=True), AccessRules(), False, False, "bot"),
        (message(me=True, bot=True), AccessRules(bots="mentions"), False, False, ""),
        (message(ConversationKind.DIRECT, bot=True), AccessRules(bots="mentions"), False, False, "bot"),
        (message(ConversationKind.DIRECT, bot=True), AccessRules(bots="all"), False, False, ""),
    ],
)
def test_when_the_agent_is_meant(
    said: InboundMessage, rules: AccessRules, engaged: bool, spoke: bool, reason: str
) -> None:
    verdict = meant_for_us(said, rules, engaged=engaged, spoke_before=spoke)
    assert (verdict.accepted, verdict.reason) == (not reason, reason)


@pytest.mark.parametrize(
    ("author", "rules", "facts", "reason"),
    [
        (Author(id="U1"), AccessRules(), MEMBER, ""),
        (Author(id="U1"), AccessRules(), None, "author_unknown"),
        (Author(id="U1"), AccessRules(), AuthorFacts(is_guest=True), "guest"),
        (Author(id="U1"), AccessRules(allow_guests=True), AuthorFacts(is_guest=True), ""),
        (Author(id="U1"), AccessRules(), AuthorFacts(is_external=True), "external"),
        (Author(id="U1", is_external=True), AccessRules(), MEMBER, "external"),
        (Author(id="U1", is_external=True), AccessRules(allow_external=True), MEMBER, ""),
        (Author(id="U1"), AccessRules(), AuthorFacts(is_deleted=True), "deactivated"),
        (Author(id="U1"), AccessRules(owner="U2"), MEMBER, "not_allowed"),
        (Author(id="U2", is_external=True), AccessRules(owner="U2"), None, ""),
        (Author(id="U3"), AccessRules(allowed_users=frozenset({"U3"})), None, ""),
        (Author(id="U1"), AccessRules(owner="U2", allowed_channels=frozenset({"C1"})), MEMBER, ""),
        (Author(id="U1"), AccessRules(allowed_channels=frozenset({"C9"})), MEMBER, "not_allowed"),
        (Author(id="", is_bot=True), AccessRules(owner=""), None, ""),
    ],
)
def test_who_may_talk(author: Author, rules: AccessRules, facts: AuthorFacts | None, reason: str) -> None:
    verdict = may_talk(author, place(), rules, facts)
    assert (verdict.accepted, verdict.reason) == (not reason, reason)


@given(
    author=st.builds(Author, id=st.sampled_from(["", "U1", "U2"]), is_external=st.booleans()),
    rules=st.builds(
        AccessRules,
        owner=st.sampled_from(["", "U2"]),
        allowed_users=st.sampled_from([frozenset(), frozenset({"U2"})]),
        allowed_channels=st.sampled_from([frozenset(), frozenset({"C1"})]),
        allow_guests=st.booleans(),
        allow_external=st.booleans(),
    ),
    facts=st.none() | st.builds(AuthorFacts, is_guest=st.booleans(), is_external=st.booleans()),
)
def test_nobody_gets_in_by_accident(author: Author, rules: AccessRules, facts: AuthorFacts | None) -> None:
    if not may_talk(author, place(), rules, facts).accepted or listed(author, rules):
        return
    assert facts is not None
    assert rules.allow_guests or not facts.is_guest
    assert rules.allow_external or not (facts.is_external or author.is_external)
    assert rules.open_to_members or "C1" in rules.allowed_channels


def test_a_list_knows_the_thread_that_a_private_question_was_asked_in() -> None:
    author = Author(id="U1")
    where = ConversationRef(
        channel="discord", tenant="1:2", place="3", thread="ask-U1", kind=ConversationKind.PUBLIC, within="4"
    )
    for listed_place, accepted in (("3", True), ("4", True), ("5", False), ("", False)):
        rules = AccessRules(allowed_channels=frozenset((listed_place,)))
        assert may_talk(author, where, rules, MEMBER).accepted == accepted
    assert not may_talk(author, place(), AccessRules(allowed_channels=frozenset(("4",))), MEMBER).accepted


def test_rules_from_a_channels_own_settings() -> None:
    rules = AccessRules.from_options({"owner": None, "allowed_users": ("U1",), "allowed_channels": [], "bots": "all"})
    assert rules == AccessRules(allowed_users=frozenset({"U1"}), bots="all")


def test_two_bots_stop_and_a_person_gives_the_budget_back() -> None:
    budget = LoopBudget()
    assert [budget.take("C1", 3, float(now)) for now in range(5)] == [True, True, True, False, False]
    assert budget.take("C2", 3, 5.0)
    budget.restore("C1")
    assert budget.take("C1", 3, 6.0)
    assert [budget.take("C3", 1, at) for at in (0.0, 3599.0, 3600.0)] == [True, False, True]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 20_000)), max_size=60))
def test_never_more_than_the_limit_within_the_window(asked: list[tuple[str, int]]) -> None:
    budget = LoopBudget()
    taken: list[tuple[str, int]] = []
    for name, at in sorted(asked, key=lambda one: one[1]):
        if budget.take(name, 2, at):
            taken.append((name, at))
    for name, at in taken:
        assert sum(other == name and at - LoopBudget.WINDOW < then <= at for other, then in taken) <= 2
