"""Filters are refused or kept as they are, never widened; the index finds what matching one by one would find."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.apps import EventSpec
from phantom.bridge.subscriptions import BadSubscription, Filter, Index, matches, read_filter, weight

KEYS = ("guildId", "channelId", "userId", "channelType", "emoji")
SPEC = EventSpec(name="messageReactionAdd", data=msgspec.Struct, filters=KEYS)
IDS = st.sampled_from(["1", "2", "3"])
FACTS = st.dictionaries(st.sampled_from(KEYS), IDS | st.tuples(IDS, IDS), max_size=5)
FILTERS = st.dictionaries(st.sampled_from(KEYS), st.frozensets(IDS, min_size=1), max_size=3).map(
    lambda value: tuple(sorted(value.items()))
)
WRITTEN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3) | IDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "other"]), inner, max_size=3),
)


@given(WRITTEN)
def test_a_filter_is_what_was_written_or_refused(value: Any) -> None:
    try:
        read = read_filter(json.dumps(value).encode(), SPEC)
    except BadSubscription:
        return
    if value is None:
        assert read == ()
        return
    listed = {key: wanted if isinstance(wanted, list) else [wanted] for key, wanted in value.items()}
    assert {key: sorted(values) for key, values in read} == {
        key: sorted({str(one) for one in wanted}) for key, wanted in listed.items()
    }
    assert all(values for _, values in read)


@pytest.mark.parametrize(
    "raw",
    [
        "{}",
        "[]",
        '""',
        "0",
        "false",
        '{"guildId": null}',
        '{"guildId": ""}',
        '{"guildId": ["1", ""]}',
        '{"guildId": [["1"]]}',
        '{"guildId": {"1": true}}',
        '{"channelType": "0"}',
        '{"channelType": true}',
        '{"guildid": "1"}',
        json.dumps({"guildId": "1" * 129}),
        json.dumps({"guildId": [str(number) for number in range(201)]}),
        '{"guildId": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_filters_that_are_refused(raw: str) -> None:
    with pytest.raises(BadSubscription):
        read_filter(raw.encode(), SPEC)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), FILTERS), max_size=12, unique=True),
    st.lists(st.integers(0, 11), max_size=8),
    st.lists(FACTS, min_size=1, max_size=6),
)
def test_the_index_finds_what_matching_finds(
    made: list[tuple[str, Filter]], removed: list[int], events: list[dict[str, Any]]
) -> None:
    index: Index[str] = Index()
    for app, wanted in made:
        index.add(app, "e", wanted)
    left = list(made)
    for number in removed:
        if number < len(left):
            index.remove(left[number][0], "e", left[number][1])
            del left[number]
    for facts in events:
        found = index.match("e", facts)
        assert list(found) == list(dict.fromkeys(found)), "each once"
        assert set(found) == {app for app, wanted in left if matches(wanted, facts)}
    for app, wanted in left:
        index.remove(app, "e", wanted)
    assert not list(index.names), "nothing is left behind"


def test_removing_what_is_not_there_is_no_harm() -> None:
    index: Index[str] = Index()
    index.remove("a", "e", ())
    index.add("a", "e", (("guildId", frozenset({"1"})),))
    index.remove("b", "e", (("guildId", frozenset({"1"})),))
    index.remove("a", "e", (("guildId", frozenset({"2"})),))
    assert "a" in index.match("e", {"guildId": "1"})


def test_weight() -> None:
    assert weight(()) == 0
    assert weight((("a", frozenset("123")), ("b", frozenset("1")))) == 4
