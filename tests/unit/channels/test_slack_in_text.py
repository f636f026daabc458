"""Slack's mrkdwn as CommonMark, and who is mentioned."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.text_in import read

ME = "U0BOT"


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("hello", "hello"),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt;", "&lt;"),
        ("*bold* and _it_ and ~gone~", "**bold** and _it_ and ~~gone~~"),
        ("2*3*4 and a*b", "2*3*4 and a*b"),
        ("* not a list* item", "* not a list* item"),
        ("*~both~*", "**~~both~~**"),
        ("<https://example.com|the site>", "[the site](https://example.com)"),
        ("<https://example.com>", "https://example.com"),
        ("<https://example.com|https://example.com>", "https://example.com"),
        ("<https://e.com/?a=1&amp;b=2|q>", "[q](https://e.com/?a=1&b=2)"),
        ("<https://e.com/a(b)|x[y]>", "[x\\[y\\]](https://e.com/a%28b%29)"),
        ("<mailto:a@b.c|a@b.c>", "a@b.c"),
        ("<tel:+123|call>", "[call](tel:+123)"),
        ("hi <@U1>", "hi @U1"),
        ("hi <@U1|olivia>", "hi @olivia"),
        ("in <#C1|general> or <#C2>", "in #general or #C2"),
        ("<!here> <!channel|@channel> <!subteam^S1|@devs>", "@here @channel @devs"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("`a *b* &lt;c&gt;`", "`a *b* <c>`"),
        ("```\n*x* &amp; <https://e.com|e.com>\n```", "```\n*x* & e.com\n```"),
        ("&gt; quoted\nplain &gt; text", "> quoted\nplain > text"),
        ("&gt;tight", "> tight"),
        ("unclosed *bold and `code", "unclosed *bold and `code"),
        ("<not closed", "<not closed"),
        ("a <> b", "a <> b"),
    ],
)
def test_text_becomes_commonmark(wire: str, text: str) -> None:
    assert read(wire).text == text


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("<@U0BOT> hello", "hello"),
        ("<@U0BOT|phantom> hello", "hello"),
        ("hello <@U0BOT>", "hello"),
        ("ask <@U0BOT> about <@U1>", "ask about @U1"),
        ("<@U0BOT>", ""),
        ("<@U0BOT>\n```\n  two  spaces\n```", "```\n  two  spaces\n```"),
        ("*<@U0BOT>*", "****"),
    ],
)
def test_our_own_mention_is_taken_out(wire: str, text: str) -> None:
    found = read(wire, ME)
    assert (found.text, found.mentions_me) == (text, True)


def test_mentions_of_others_are_told_apart_from_ours() -> None:
    assert not read("hi", ME).mentions_others
    assert not read("<@U0BOT> hi", ME).mentions_others
    assert read("<@U0BOT> <@U1> hi", ME).mentions_others
    assert read("<!subteam^S1> hi", ME).mentions_others
    assert not read("<!here> hi", ME).mentions_others
    assert read("<@U0BOT> hi").mentions_others  # while our own id is unknown


def test_a_name_in_code_mentions_nobody() -> None:
    found = read("`<@U0BOT>` and ```<@U1>```", ME)
    assert (found.mentions_me, found.mentions_others) == (False, False)
    assert found.text == "`@U0BOT` and ```@U1```"


@given(st.text(max_size=300))
def test_anything_can_be_read(wire: str) -> None:
    found = read(wire, ME)
    assert "\0" not in found.text


@given(
    st.lists(st.sampled_from(["*", "~", "`", "```", "<", ">", "<@U0BOT>", "a", " ", "\n", "&lt;", "|"]), max_size=60)
)
def test_any_mixture_of_marks_can_be_read(parts: list[str]) -> None:
    assert "\0" not in read("".join(parts), ME).text


@pytest.mark.parametrize("unit", ["*", "~", "`", "<", "*a", "<@", "&gt; ", "*~", "```"])
def test_reading_takes_linear_time(unit: str) -> None:
    wire = unit * (40_000 // len(unit))
    began = time.thread_time()  # what others do meanwhile does not count
    read(wire, ME)
    assert time.thread_time() - began < 10.0, "a square of it takes minutes"
