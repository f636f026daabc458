"""Finding known values: never missed, wherever and however they stand; nothing else taken away."""

from __future__ import annotations

import base64
import html
import json
import random
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantom.redaction import MASK, Redactor
from phantom.secrets import HeldSource, Secret, held

VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=90)
PROSE = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
SEPARATORS = ("\n", " ", "\u200b", "`", "**", "\r\n> ", "\u00ad", '" + "', " | ", "\t\u2060")
TOKEN = "xoxb-111122223333-4444555566667-AbCdEfGhIjKlMnOpQrStUvWx"


def knowing(*values: str) -> Redactor:
    handles = [held(f"secret_{number}", value) for number, value in enumerate(values)]
    return Redactor(lambda: handles)


@settings(max_examples=300, deadline=None)
@given(value=VALUES, before=PROSE, after=PROSE, spell=st.sampled_from(["plain", "base64", "hex", "json", "url"]))
def test_no_spelling_is_missed_at_any_place(value: str, before: str, after: str, spell: str) -> None:
    redactor = knowing(value, "another-secret-0123456789", "short-1")
    inside = f"{before}{value}{after}"
    text = {
        "plain": inside,
        "base64": f"{before} {base64.b64encode(inside.encode()).decode()} {after}",
        "hex": f"{before} {value.encode().hex()} {after}",
        "json": json.dumps({"a": inside}),
        "url": quote_plus(inside),
    }[spell]
    assert redactor.holds(text)
    assert not redactor.is_clean(text)
    assert redactor.inspect(text).names[:1] in (("secret_0",), ("secret_1",))
    assert value not in redactor.clean(text)


@settings(max_examples=200, deadline=None)
@given(value=st.text(st.sampled_from("abcdefghijABCDEFGHIJ0123456789-_"), min_size=20, max_size=80), data=st.data())
def test_a_value_that_was_broken_up_is_masked_in_one_piece(value: str, data: st.DataObject) -> None:
    separator = data.draw(st.sampled_from(SEPARATORS))
    at = sorted(data.draw(st.sets(st.integers(1, len(value) - 1), min_size=1, max_size=8)))
    pieces = [value[first:last] for first, last in zip([0, *at], [*at, len(value)], strict=True)]
    cleaned = knowing(value).clean(f"it is: {separator.join(pieces)} .")
    letters = "".join(char for char in cleaned if char.isalnum())
    whole = "".join(char for char in value if char.isalnum())
    assert len(whole) < 12 or whole not in letters


@pytest.mark.parametrize("cuts", [(20,), (30,), (17, 38)])
def test_pieces_of_a_value_with_nothing_around_them_show_in_no_text(cuts: tuple[int, ...]) -> None:
    redactor = knowing(TOKEN.replace("xoxb-", "none-"), "another-secret-0123456789")
    value = TOKEN.replace("xoxb-", "none-")
    pieces = [value[first:last] for first, last in zip((0, *cuts), (*cuts, len(value)), strict=True)]
    assert [redactor.inspect(piece, whole=False).text for piece in pieces] == [MASK] * len(pieces)


@pytest.mark.parametrize("value", [TOKEN, 'p"a/s+s=w&o\\r<d>%0123456789', "schlüssel/für+alle=9876543210"])
def test_what_was_encoded_twice_or_for_another_machine_is_found(value: str) -> None:
    raw = value.encode()
    for text in (
        base64.b64encode(b"user:" + raw).decode(),
        base64.b64encode(b'{"auth":"' + base64.b64encode(b"user:" + raw) + b'"}').decode(),
        base64.b64encode(f"Set-Token '{value}'".encode("utf-16-le")).decode(),
        quote(quote(value, safe=""), safe=""),
        json.dumps(json.dumps({"a": value})),
        html.escape(html.escape(value)),
        raw.hex(":"),
    ):
        assert MASK in knowing(value).clean_known(f"before {text} after"), text


def test_text_around_a_broken_value_stays() -> None:
    text = f"before **{TOKEN[:20]}\n{TOKEN[20:]}** after"
    assert knowing(TOKEN).clean_known(text) == f"before **{MASK}** after"


@pytest.mark.parametrize("prose", ["hunter 22", "Use the password for testing.", "a b c 1 2 3"])
def test_short_values_and_words_do_not_swallow_prose(prose: str) -> None:
    assert knowing("hunter2", "passwordfor", "abc123").clean_known(prose) == prose


def test_a_value_that_is_a_word_is_masked_as_a_word_and_a_tiny_one_never() -> None:
    redactor = knowing("postgres", "short", "123456")
    text = "postgresql is shorter than 1234567; postgres:123456@db short"
    assert redactor.inspect(text).text == f"postgresql is shorter than 1234567; {MASK}:{MASK}@db short"
    assert redactor.inspect("postgresql").names == ()


@pytest.mark.parametrize(
    "prose", ["sk-loading-indicator-wrapper", "pypi-server-installation-guide", "npm_config_registry_default"]
)
def test_names_that_begin_like_tokens_stay(prose: str) -> None:
    assert knowing().clean(prose) == prose
    token = prose.split("-")[0].split("_")[0] + prose[len(prose.split("-")[0].split("_")[0])]
    assert "x9Yk2mQ7" not in knowing().clean(f"{token}{'x9Yk2mQ7' * 5}")


def test_alerts_name_the_handle_rather_than_the_variable() -> None:
    redactor = Redactor(lambda: [held("slack_bot_token", TOKEN)])
    redactor.remember_environment({"SLACK_BOT_TOKEN": TOKEN, "OTHER_API_KEY": "other-value-0123456789"})
    assert redactor.inspect(f"{TOKEN} other-value-0123456789").names == ("OTHER_API_KEY", "slack_bot_token")


def test_a_rotation_is_followed_at_once_and_a_source_that_tells_nothing_soon() -> None:
    class Silent(HeldSource):
        def replace(self, value: str) -> None:
            self._value = value

    telling, silent = HeldSource("a", "value-number-one-1111"), Silent("b", "value-number-two-2222")
    handles = [Secret("a", telling), Secret("b", silent)]
    redactor = Redactor(lambda: handles)
    assert redactor.clean("value-number-one-1111 value-number-two-2222") == f"{MASK} {MASK}"
    telling.rotate("value-number-three-3333")
    assert redactor.clean("value-number-three-3333") == MASK
    silent.replace("value-number-four-4444")
    for _ in range(100):
        redactor.clean("something")
    assert redactor.clean("value-number-four-4444 and value-number-two-2222") == f"{MASK} and {MASK}"


@pytest.mark.parametrize("cut", range(14, len(TOKEN) - 14, 5))
def test_a_value_cut_in_two_between_texts_shows_in_neither(cut: int) -> None:
    redactor = knowing(TOKEN)
    first = redactor.inspect(f"here is the first half: {TOKEN[:cut]}", whole=False)
    second = redactor.inspect(f"{TOKEN[cut:]} was the second", whole=False)
    shown = first.text + second.text
    assert not any(TOKEN[at : at + 14] in shown for at in range(len(TOKEN) - 14))
    assert (first.names, second.names) == (("secret_0",), ("secret_0",))


@given(st.integers(1, len(TOKEN) - 1), st.text(max_size=30))
def test_a_growing_text_never_shows_the_beginning_of_a_value(length: int, before: str) -> None:
    shown, held_back = knowing(TOKEN).settled(f"{before} {TOKEN[:length]}")
    assert TOKEN[:5] not in shown
    assert shown + held_back == f"{before} {TOKEN[:length]}" or MASK in shown


def test_a_payload_stays_what_it_is() -> None:
    redactor = knowing(TOKEN, "message", "0123456789abcdef0123456789abcdef")
    body = json.dumps({"type": "message", "text": f"look: {TOKEN}", "a": "01234567", "b": "89abcdef0123456789abcdef"})
    cleaned = redactor.clean_payload(body.encode())
    assert json.loads(cleaned) == json.loads(body) | {"text": f"look: {MASK}"}
    form = f"payload={quote_plus(body)}".encode()
    assert TOKEN.encode() not in redactor.clean_payload(form)
    plain = json.dumps({"type": "message", "text": "nothing here"}).encode()
    assert redactor.clean_payload(plain) is plain


def test_many_secrets_cost_little_where_there_are_none() -> None:
    """What is looked up is counted in the text's length, not in the number of secrets."""
    chance = random.Random(1)
    values = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=40)) for _ in range(200)]
    redactor = knowing(*values)
    text = " ".join("".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(20_000))
    assert not redactor.holds(text)
    assert redactor.clean_known(text) is text
    assert redactor.holds(text + values[123])
