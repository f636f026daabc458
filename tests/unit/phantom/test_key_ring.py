"""The ring of encryption keys: what is read is what was written, and whatever was changed on the way is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.secret_formats import why_malformed
from phantom.errors import ConfigError
from phantom.redaction_shapes import mask_tokens
from phantom.storage.key_ring import Key, Ring, fresh_key, id_of, parse_ring

KEYS = st.binary(min_size=32, max_size=32).map(lambda material: Key(id=id_of(material), material=material))
RINGS = st.builds(
    lambda keys, plain: Ring(keys=tuple(keys), plain=plain),
    st.lists(KEYS, min_size=1, max_size=5, unique_by=lambda key: key.id),
    st.booleans(),
)


@given(RINGS)
def test_a_ring_reads_back_and_looks_like_one(ring: Ring) -> None:
    assert parse_ring(ring.text) == ring
    assert parse_ring(ring.text.replace(",", " , ")) == ring
    assert ring.sealing == (None if ring.plain else ring.keys[0])
    assert why_malformed("encryption_key", ring.text) == ""
    assert not any(key.text in mask_tokens(f"it is {ring.text}") for key in ring.keys)
    assert not any(key.text in repr(ring) for key in ring.keys)


@given(KEYS, st.data())
def test_one_changed_character_is_noticed_and_not_repeated(key: Key, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key.text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda one: one not in (key.text[at], ",")))
    damaged = key.text[:at] + other + key.text[at + 1 :]
    if damaged.strip() == key.text:
        return
    with pytest.raises(ConfigError) as caught:
        parse_ring(damaged)
    assert caught.value.where == "ENCRYPTION_KEY"
    assert damaged[13:] not in str(caught.value)


@given(st.text(max_size=200).filter(lambda text: text.split(",")[0].strip() != "plain"))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_ring(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no key"),
        (",", "no key"),
        ("pek_", "damaged"),
        ("a" * 64, "no key"),
        (f"{fresh_key().text},plain", "only stand first"),
        (f"{(twice := fresh_key().text)},{twice}", "twice"),
        (fresh_key().text[:-1], "damaged"),
        (",".join(fresh_key().text for _ in range(33)), "more than 32"),
    ],
    ids=["empty", "comma", "prefix", "letters", "plain-last", "twice", "cut", "too-many"],
)
def test_what_is_no_ring_says_why(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_ring(text)
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_plain_alone_is_a_ring_without_keys() -> None:
    assert parse_ring("plain") == Ring(keys=(), plain=True)
