"""`split`: never too long, never an open fence, nothing lost. markdown-it is the judge of what is code."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from phantom.rendering import split

_JUDGE = MarkdownIt("commonmark")


def codes(text: str) -> list[str]:
    return [token.content for token in _JUDGE.parse(text) if token.type == "fence"]


def has_open_fence(part: str) -> bool:
    """Whether text appended to the part would become code."""
    return any("\u2603probe" in code for code in codes(part + "\n\n\u2603probe"))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


WORDS = st.text(alphabet=st.sampled_from("abc déf, .;|*_<&é漢。"), min_size=1, max_size=60).filter(lambda t: t.strip())
CODE_LINE = st.text(alphabet=st.sampled_from("ab =()'\"é"), max_size=30).map(lambda t: t.rstrip())


@st.composite
def fences(draw: st.DrawFn) -> str:
    char = draw(st.sampled_from("`~"))
    marker = char * draw(st.integers(3, 5))
    info = draw(st.sampled_from(["", "python", "c++ linenos", "text"]))
    lines = draw(st.lists(CODE_LINE, min_size=1, max_size=25))
    return "\n".join([f"{marker}{info}", *lines, marker])


@st.composite
def tables(draw: st.DrawFn) -> str:
    rows = draw(st.integers(1, 15))
    return "\n".join(["| a | b |", "|---|---|", *(f"| {n} | x{n} |" for n in range(rows))])


PARAGRAPH = st.lists(WORDS.map(str.strip), min_size=1, max_size=4).map("\n".join).filter(lambda t: "|" not in t)
ITEMS = st.lists(WORDS.map(lambda t: f"- {t.strip()}"), min_size=1, max_size=8).map("\n".join)
HEADING = WORDS.map(lambda t: f"## {t.strip()}")
DOCUMENT = st.lists(st.one_of(PARAGRAPH, fences(), ITEMS, HEADING, tables()), min_size=1, max_size=12).map("\n\n".join)


def test_text_that_fits_is_left_alone() -> None:
    assert split("  hello\n\n", 100) == ["  hello\n\n"]
    assert split("x" * 100, 100) == ["x" * 100]


def test_blank_text_is_no_message() -> None:
    assert split("", 10) == []
    assert split(" \n" * 50, 10) == []


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        split("text", 0)


def test_paragraphs_before_lines_before_words() -> None:
    text = "one one one\ntwo two\n\nthree three\nfour"
    assert split(text, 25) == ["one one one\ntwo two", "three three\nfour"]
    assert split("one one\ntwo two\nthree", 16) == ["one one\ntwo two", "three"]
    assert split("One sentence. Another one goes on", 20) == ["One sentence.", "Another one goes on"]
    assert split("word " * 5, 12) == ["word word", "word word", "word"]


def test_a_fence_that_is_cut_is_closed_and_opened_again_with_its_info_string() -> None:
    text = "Look:\n\n````python title=x\n" + "\n".join(f"print({n})" for n in range(20)) + "\n```\n````\nDone."
    parts = split(text, 90)
    assert len(parts) > 2
    assert all(len(part) <= 90 for part in parts)
    assert all(part.startswith("````python title=x\n") for part in parts[1:-1])
    assert all(part.endswith("\n````") for part in parts[:-1])
    assert "".join(code for part in parts for code in codes(part)) == codes(text)[0]
    assert parts[-1].endswith("Done.")


def test_a_whole_fence_moves_to_the_next_part_rather_than_being_cut() -> None:
    text = "intro " * 8 + "\n\n```\n" + "code line\n" * 8 + "```"
    first, second = split(text, 100)
    assert first == ("intro " * 8).strip()
    assert second.startswith("```\ncode line")
    assert second.endswith("```")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("- item\n\n  ```py\n" + "".join(f"  if x{n}:\n      y{n}\n" for n in range(12)) + "  ```\n\n  after", 60),
        ("1. step\n   - sub\n\n     ~~~\n" + "".join(f"     line {n}\n" for n in range(20)) + "     ~~~\n", 60),
        ("> quote\n> ```js\n" + "".join(f"> let a{n};\n" for n in range(20)) + "> ```\n> end", 60),
        ("- ```py\n" + "".join(f"  deep(\n    {n})\n" for n in range(12)) + "  ```\n", 60),
    ],
)
def test_fences_in_lists_and_quotes_keep_their_code(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(len(part) <= limit for part in parts)
    assert not any(has_open_fence(part) for part in parts)
    assert "".join(code for part in parts for code in codes(part)) == codes(text)[0]


def test_text_behind_a_list_item_is_not_taken_for_its_unclosed_code() -> None:
    text = "- item\n  ```\n  code\n" + "plain words of the reader\n" * 8
    parts = split(text, 80)
    assert [code for part in parts for code in codes(part)] == ["code\n"]


def test_a_table_that_is_cut_repeats_its_header() -> None:
    text = "| name | n |\n|:-----|--:|\n" + "\n".join(f"| row{n} | {n} |" for n in range(30))
    parts = split(text, 120)
    assert all(part.startswith("| name | n |\n|:-----|--:|\n| row") for part in parts)
    assert [row for part in parts for row in part.split("\n")[2:]] == text.split("\n")[2:]


def test_a_heading_stays_with_what_follows() -> None:
    parts = split("text text text text\n\n# Heading\n\nbelow the heading", 40)
    assert parts == ["text text text text", "# Heading\n\nbelow the heading"]


def test_a_nested_item_at_the_start_of_a_part_does_not_become_code() -> None:
    text = "- top\n" + "".join(f"    - nested item number {n}\n" for n in range(12))
    for part in split(text, 90):
        assert not any(token.type == "code_block" for token in _JUDGE.parse(part))


def test_a_huge_line_of_code_is_cut_hard_and_loses_nothing() -> None:
    line = "x = '" + "a b" * 200 + "'"
    parts = split(f"```py\n{line}\n```", 100)
    assert all(len(part) <= 100 for part in parts)
    assert "".join(code.removesuffix("\n") for part in parts for code in codes(part)) == line


def test_visible_characters_are_not_torn() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert all(part.replace(family, "") == "" for part in split(family * 40, 23))
    assert "".join(split("e\u0301" * 50, 7)) == "e\u0301" * 50
    assert not any(part.startswith("\u0301") for part in split("e\u0301" * 50, 7))


@settings(max_examples=150, deadline=None)
@given(DOCUMENT, st.integers(40, 400))
def test_documents_keep_their_code_and_their_text(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert not any(has_open_fence(part) for part in parts)
    joined = "".join(code for part in parts for code in codes(part))
    assert squeezed(joined) == squeezed("".join(codes(text)))
    if "| a | b |" not in text:
        prose = [re.sub(r"^ *(?:`{3,}|~{3,})[^\n]*$", "", part, flags=re.M) for part in [text, *parts]]
        assert squeezed("".join(prose[1:])) == squeezed(prose[0])


@settings(max_examples=250, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab `~>-|\n\t 1.#:\r\u0301\U0001f468\u200d"), max_size=400), st.integers(1, 80))
def test_any_text_stays_within_any_limit_and_keeps_every_visible_character(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    for char in "ab1.#":
        assert "".join(parts).count(char) >= text.count(char)


@pytest.mark.parametrize(
    "text",
    [
        "a line of some sixty characters, as an answer would have it\n" * 17_000,
        "word " * 200_000,
        "x" * 1_000_000,
        "```\n" + "code();\n" * 125_000,
        "> " * 500_000,
        "- " * 500_000,
        "`" * 1_000_000,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 100_000,
    ],
    ids=["lines", "words", "solid", "code", "quotes", "items", "ticks", "table"],
)
def test_a_megabyte_comes_to_an_end(text: str) -> None:
    """Were each line or part to cost another look at all the text, it would hang, for which the suite ends a test."""
    parts = split(text, 11_000)
    assert all(len(part) <= 11_000 for part in parts)
