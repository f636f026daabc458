"""No text of a model pings anybody, in native Markdown or mrkdwn; everything else reads as it was meant."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from channels.slack.markup import ZERO_WIDTH, native
from channels.slack.mrkdwn import to_mrkdwn, to_sections

# Written from Slack's documentation alone, not from the code under test.
PING = re.compile(
    r"<(?:!(?:channel|here|everyone|group)|!subteam\^[A-Z0-9]+|@[A-Za-z0-9]+|#[A-Za-z0-9]+)(?:\|[^<>]*)?>", re.I
)
BARE = re.compile(r"(?<![A-Za-z0-9])@(?:channel|here|everyone|group)\b", re.I)
ANY_FORM = re.compile(r"<[!@#]|&lt;[!@#]")

HOSTILE = [
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    "<@U0123ABCD>",
    "<@W0123ABCD|name>",
    "<#C0123ABCD>",
    "<!subteam^S0123ABCD>",
    "<!subteam^S0123|@team>",
    "&lt;!channel&gt;",
    "&LT;!channel&GT;",
    "&#60;!channel&#62;",
    "&#x3c;@U0123ABCD&#x3E;",
    "&amp;lt;!channel&amp;gt;",
    "&amp;amp;lt;!here&amp;amp;gt;",
    "\\<!channel>",
    "<\\!channel>",
    "\\\\<!channel>",
    "<&#33;channel>",
    "<&commat;U0123ABCD>",
    "[x](!channel)",
    "[x](<!channel>)",
    "[x](@U0123ABCD)",
    "[<!channel>](https://example.com)",
    "[x]: !channel\n\n[x]",
    "![<!here>](!here)",
    "`<!channel>`",
    "`` <@U0123ABCD> ``",
    "```\n<!channel>\n```",
    "~~~html\n<!here>\n~~~",
    "    <!channel>",
    "> <!channel>",
    "- <!channel>",
    "| a |\n|---|\n| <!channel> |",
    "# <!everyone>",
    "**<!channel>**",
    "<<b>!channel>",
    "<<!channel>>",
    "`<`!channel>",
    "<`!channel>`",
    "<*!channel*>",
    "``` <!channel>",
    "&lt;!channel>",
    "<!channel&gt;",
    "`&lt;!channel&gt;`",
    "`<!channel&gt;`",
]


def decoded(text: str) -> str:
    for _ in range(4):
        text = html.unescape(text)
    return text


def seen(text: str) -> str:
    """What a reader makes of it, whatever the way in which mentions were broken."""
    return decoded(text.replace(ZERO_WIDTH, "").replace("\u2039", "<").replace("\uff20", "@")).replace("./", "")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("tight", [False, True])
def test_no_known_form_pings(text: str, tight: bool) -> None:
    for around in ("{}", "before {} after", "a\n{}\nb", "x {0} y {0}"):
        source = around.format(text)
        markdown = native(source, tight=tight)
        assert not PING.search(markdown)
        assert not PING.search(decoded(markdown)), markdown
        assert not PING.search(decoded(markdown).replace("\\", "")), markdown
        assert not ANY_FORM.search(markdown)
        assert not PING.search(to_mrkdwn(source, tight=tight))
        assert not any(PING.search(part) for part in to_sections(source, 20, tight=tight))


PARTS = st.sampled_from(
    "< > ! @ # & ; channel here U0123ABCD &lt; &gt; &amp; &#60; ` `` ``` ~~~ \n \n\n \\ | ^ subteam [ ] ( ) * _ - "
    "a 1 https://x.yz : > \t <!channel> <@U0123ABCD> [x](!here)".replace("\\n", "\n").split(" ")
) | st.just(" ")


@settings(max_examples=500, deadline=None)
@given(st.lists(PARTS, max_size=40).map("".join))
@example("`<!channel>``")
def test_no_text_ever_pings(text: str) -> None:
    for tight in (False, True):
        markdown = native(text, tight=tight)
        assert not PING.search(markdown)
        assert not PING.search(decoded(markdown))
        assert seen(markdown) == seen(text)
        plain = to_mrkdwn(text, tight=tight)
        assert not PING.search(plain)
        assert not re.search(r"<(?!https?://|mailto:|tel:)", plain)
        for part in to_sections(text, 30, tight=tight):
            assert len(part) <= 30
            assert not PING.search(part)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_tight_never_grows_beyond_links(text: str) -> None:
    grown = native(text, tight=True)
    assert len(grown) <= len(text) + 2 * text.count("](") + 2 * text.count("]:")


def test_ordinary_text_is_left_alone() -> None:
    text = (
        "# Title\n\nA & B, 1 < 2 > 0, `a<b>` <https://example.com> [x](https://y.z) #channel @name\n\n"
        "```html\n<!DOCTYPE html>\n<!-- note -->\n<![CDATA[x]]>\n```\n\n```java\nList<@NonNull String> x;\n```\n"
        "```c\n#include <stdio.h>\ncout << x;\n```"
    )
    assert native(text) == text


def test_a_reader_sees_the_same_text() -> None:
    text = "Use <!channel> or `<!here>` and\n\n```\n<@U0123ABCD>\n```\n"
    shown = MarkdownIt("commonmark", {"html": False}).render(native(text))
    assert shown.replace(ZERO_WIDTH, "") == MarkdownIt("commonmark", {"html": False}).render(text)


@pytest.mark.parametrize("word", ["channel", "here", "everyone", "group", "HERE"])
@pytest.mark.parametrize(
    "text", ["@{}", "hey @{}!", "_@{}_", "(@{})", "&commat;{}", "&#64;{}", "**@{}**", "[@{}](https://a.b)"]
)
def test_bare_words_ping_nobody(word: str, text: str) -> None:
    source = text.format(word)
    for tight in (False, True):
        assert not BARE.search(decoded(native(source, tight=tight)))
        assert not BARE.search(decoded(to_mrkdwn(source, tight=tight)))
    assert seen(native(source)) == decoded(source)


def test_bare_words_in_addresses_code_and_other_words_stay() -> None:
    text = "bob@here.com `@channel` @hereby @channels @name"
    assert native(text) == text
    assert to_mrkdwn(text) == text
    assert native("@here", {"here"}) == "@here"


def test_listed_ids_may_be_mentioned() -> None:
    text = "<@U0123ABCD> and <@U999> and <!here> and `<@U0123ABCD>` [<@U0123ABCD>](https://x.yz)"
    markdown = native(text, {"U0123ABCD"})
    assert markdown.startswith(f"<@U0123ABCD> and &lt;{ZERO_WIDTH}@U999> and &lt;{ZERO_WIDTH}!here> and")
    assert f"`<{ZERO_WIDTH}@U0123ABCD>`" in markdown
    plain = to_mrkdwn(text, {"U0123ABCD"})
    assert PING.findall(plain) == ["<@U0123ABCD>"]
    assert plain.startswith("<@U0123ABCD> and &lt;@U999&gt; and &lt;!here&gt;")
    assert PING.findall(to_mrkdwn("<!here> <!subteam^S1>", {"here", "S1"})) == ["<!here>", "<!subteam^S1>"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**bold** and *em* and ~~gone~~ `co<de`", "*bold* and _em_ and ~gone~ `co&lt;de`"),
        ("***both***", "_*both*_"),
        ("# Head **line**", "*Head line*"),
        ("[label](https://a.b/c?d=1&e=2)", "<https://a.b/c?d=1&amp;e=2|label>"),
        ("<https://a.b>", "<https://a.b>"),
        ("see https://a.b/c_d_e?x=1&y=2. And (http://x.y)", "see <https://a.b/c_d_e?x=1&amp;y=2>. And (<http://x.y>)"),
        ("https://en.org/a_(b) https://", "<https://en.org/a_(b)> https://"),
        ("[rel](/path)", "rel (/path)"),
        ("![logo](https://a.b/c.png)", "<https://a.b/c.png|logo>"),
        ("[a|b > c](https://x.y)", "<https://x.y|a|b &gt; c>"),
        ("- one\n- two\n  - deep\n    1. deeper", "• one\n• two\n    ◦ deep\n        1. deeper"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("> quoted\n> more", "> quoted\n> more"),
        ("a & b < c", "a &amp; b &lt; c"),
        ("```py\nif a < b:\n    x\n```", "```\nif a &lt; b:\n    x\n```"),
        ("one\n\ntwo", "one\n\ntwo"),
        ("x\n\n---\n\ny", "x\n\n———\n\ny"),
        ("| a | long |\n|---|--:|\n| 漢字 | 1 |", "```\na    | long\n-----|-----\n漢字 | 1\n```"),
        ("&lt;b&gt; &copy;", "&lt;b&gt; ©"),
        ("**a\n\nb", "**a\n\nb"),
    ],
)
def test_mrkdwn(text: str, expected: str) -> None:
    assert to_mrkdwn(text) == expected


def test_sections_are_well_formed_each() -> None:
    text = (
        "intro " * 40
        + "\n\n```py\n"
        + "".join(f"line {n} <x>\n" for n in range(60))
        + "```\n\n"
        + "[l](https://a.b) " * 40
    )
    parts = to_sections(text, 300)
    assert all(len(part) <= 300 for part in parts)
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert all(part.count("<") == part.count(">") for part in parts)
    assert not any(re.search(r"&(?!amp;|lt;|gt;)", part) for part in parts)
    assert sum(part.count("line ") for part in parts) == 60


def test_one_wide_cell_does_not_blow_a_table_up() -> None:
    text = "| a | b |\n|---|---|\n| " + "x" * 5000 + " | 1 |\n" + "| y | 2 |\n" * 200
    assert len(to_mrkdwn(text)) < 3 * len(text)


def cost(text: str) -> float:
    """Seconds that this thread computes for it: what else the machine has to do does not count."""
    start = time.thread_time()
    assert not PING.search(native("<!channel>" + text))
    to_mrkdwn(text)
    to_sections(text, 3000)
    return time.thread_time() - start


@pytest.mark.parametrize(
    "text",
    ["<" * 11_000, "`" * 11_000, "[" * 11_000, "> " * 5_500, "*a" * 5_500, "<!" * 5_500, "](" * 5_500, "- " * 5_500,
     "\\" * 11_000, "&lt;" * 2_750, "`<!a" * 2_750, "*" * 5_500 + "a" + "*" * 5_499, "![" * 5_500, "&amp;" * 2_200,
     "".join("`" * n + " " for n in range(1, 145)), "<!" + "a" * 10_998, "`<!" * 3_600,
     "|" * 5_000 + "\n" + "|-" * 3_000],
    ids=range(18),
)  # fmt: skip
def test_hostile_text_is_quick(text: str) -> None:
    ordinary = "An *ordinary* answer with `code`, [a link](https://x.y) and <b> & more.\n\n- item\n- item two\n\n"
    usual = min(cost(ordinary * (len(text) // len(ordinary))) for _ in range(2))
    assert cost(text) < 50 * usual
