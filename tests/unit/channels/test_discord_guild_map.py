"""Where channels are, as servers show, change and lose them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from channels.discord.guild_map import KINDS, GuildMap

ME = "900"


def thread(number: str, parent: str = "10", **more: Any) -> dict[str, Any]:
    return {"id": number, "guild_id": "1", "type": 11, "parent_id": parent, **more}


def shown() -> GuildMap:
    found = GuildMap()
    found.me = ME
    roles = [{"id": "1"}, {"id": "70", "tags": {"bot_id": "901"}}, {"id": "71", "tags": {"bot_id": ME}}]
    channels = [{"id": "10", "type": 0, "parent_id": "9"}, {"id": "11", "type": 15}]
    found.take("GUILD_CREATE", {"id": "1", "channels": channels, "threads": [thread("20")], "roles": roles})
    return found


def test_a_server_shows_its_channels_threads_and_our_role() -> None:
    found = shown()
    assert found.whereabouts("1", "10") == ""  # its category is no parent
    assert found.whereabouts("1", "20") == "10"
    assert found.whereabouts("1", "99") is None
    assert found.whereabouts("2", "10") is None
    assert found.our_role("1") == "71"
    assert found.our_role("2") == ""


def test_channels_and_threads_come_and_go() -> None:
    found = shown()
    found.take("CHANNEL_CREATE", {"id": "12", "guild_id": "1", "type": 0})
    found.take("THREAD_CREATE", thread("21", "11"))
    assert (found.whereabouts("1", "12"), found.whereabouts("1", "21")) == ("", "11")
    found.take("THREAD_UPDATE", thread("21", "11", thread_metadata={"archived": True}))
    assert found.whereabouts("1", "21") is None
    found.take("THREAD_UPDATE", thread("21", "11", thread_metadata={"archived": False}))
    assert found.whereabouts("1", "21") == "11"
    found.take("CHANNEL_DELETE", {"id": "11", "guild_id": "1", "type": 15})
    assert found.whereabouts("1", "11") is None
    assert found.whereabouts("1", "21") is None
    found.take("THREAD_DELETE", thread("20"))
    assert found.whereabouts("1", "20") is None


def test_a_list_of_threads_replaces_those_of_its_channels() -> None:
    found = shown()
    found.take("THREAD_CREATE", thread("21", "11"))
    found.take("THREAD_LIST_SYNC", {"guild_id": "1", "channel_ids": ["10"], "threads": [thread("22")]})
    assert [found.whereabouts("1", one) for one in ("20", "21", "22")] == [None, "11", "10"]
    found.take("THREAD_LIST_SYNC", {"guild_id": "1", "threads": []})
    assert [found.whereabouts("1", one) for one in ("21", "22", "10")] == [None, None, ""]


def test_an_outage_changes_nothing_and_a_removal_forgets() -> None:
    found = shown()
    found.take("GUILD_DELETE", {"id": "1", "unavailable": True})
    assert found.whereabouts("1", "20") == "10"
    found.take("GUILD_DELETE", {"id": "1"})
    assert found.whereabouts("1", "20") is None
    assert found.our_role("1") == ""


def test_our_role_is_found_later_and_lost() -> None:
    found = shown()
    found.take("GUILD_ROLE_DELETE", {"guild_id": "1", "role_id": "70"})
    assert found.our_role("1") == "71"
    found.take("GUILD_ROLE_DELETE", {"guild_id": "1", "role_id": "71"})
    assert found.our_role("1") == ""
    found.take("GUILD_ROLE_CREATE", {"guild_id": "1", "role": {"id": "72", "tags": {"bot_id": ME}}})
    assert found.our_role("1") == "72"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "guild_id", "channels", "threads", "roles", "role", "tags", "parent_id", "type"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(["id", "guild_id", "channels", "role"]), ODD))
def test_odd_shapes_raise_nothing(kind: str, payload: dict[str, Any]) -> None:
    found = shown()
    found.take(kind, payload)
    assert found.whereabouts("nowhere", "x") is None
