"""CommonMark to Discord's dialect: what it looks like, and what it can never do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.discord import dress
from channels.discord.markup import MAX_TABLE_WIDTH, to_discord
from phantom.errors import MessageRejected
from phantom.messages import Button, ConversationKind, ConversationRef, OutboundMessage, Tone

PLACE = ConversationRef(channel="discord", tenant="1:2", place="3", thread=None, kind=ConversationKind.PUBLIC)


def message(text: str, **more: object) -> OutboundMessage:
    return OutboundMessage(conversation=PLACE, text=text, idempotency_key="t/answer/0", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("__bold__ and *it* and ~~gone~~", "**bold** and *it* and ~~gone~~"),
        ("# One\n\n#### Four", "# One\n\n**Four**"),
        ("Title\n=====", "# Title"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("> said\n> twice", "> said\n> twice"),
        ("```python\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("    indented", "```\nindented\n```"),
        ("[docs](https://a.example/x)", "[docs](https://a.example/x)"),
        ("[docs](https://a.example/x(1))", "[docs](https://a.example/x%281%29)"),
        ("![a cat](https://a.example/c.png)", "[a cat](https://a.example/c.png)"),
        ("<https://a.example/>", "https://a.example/"),
        ("[x](javascript:alert(1))", r"[x\](javascript:alert(1))"),
        ("||not a spoiler||", r"\|\|not a spoiler\|\|"),
        ("2 \\* 3 \\_x\\_", r"2 \* 3 \_x\_"),
        ("snake_case_name", r"snake\_case\_name"),
        ("see https://a.example/a_b_c now", "see https://a.example/a_b_c now"),
        ("&lt;b&gt;", "<b>"),
        ("\\# no heading", r"\# no heading"),
        ("-# no small print", r"\-# no small print"),
        ("a\n\n---\n\nb", "a\n\n────────────\n\nb"),
        ("`` a`b ``", "`` a`b ``"),
    ],
)
def test_what_it_looks_like(text: str, shown: str) -> None:
    assert to_discord(text) == shown


def test_a_table_becomes_an_aligned_code_block() -> None:
    table = "| Name | Size |\n|---|---|\n| a | 10 |\n| **long** name | 2 |"
    assert to_discord(table) == "```\nName      | Size\n----------+-----\na         | 10\nlong name | 2\n```"


def test_a_table_that_is_too_wide_becomes_a_list() -> None:
    wide = "x" * MAX_TABLE_WIDTH
    shown = to_discord(f"| Name | Text |\n|---|---|\n| a | {wide} |\n| b | c |")
    assert shown == f"- **Name**: a\n  **Text**: {wide}\n- **Name**: b\n  **Text**: c"


def test_a_fence_inside_code_does_not_end_the_block() -> None:
    shown = to_discord("````\n```\nstill code\n```\n````")
    assert shown.startswith("```\n")
    assert shown.endswith("\n```")
    assert "```" not in shown[4:-4]


PINGS = ["@everyone", "@here", "<@123>", "<@!123>", "<@&456>", "<#789>", "</phantom:1>", "<id:guide>", "<t:5>"]
_PING = re.compile(r"@(?:everyone|here)|<(?:@[!&]?|#)\d+>", re.IGNORECASE)


@pytest.mark.parametrize("ping", PINGS)
@pytest.mark.parametrize(
    "around", ["{}", "**{}**", "# {}", "- {}", "> {}", "| a |\n|---|\n| {} |", "[{}](https://a.b)"]
)
def test_nothing_that_pings_is_left(ping: str, around: str) -> None:
    shown = to_discord(around.format(ping))
    outside = re.sub(r"```.*?```|`[^`]*`", "", shown, flags=re.DOTALL)
    assert not _PING.search(outside), shown


def test_an_allowed_person_stays_mentioned() -> None:
    shown = to_discord("Approved by <@123>, not <@124>.", frozenset({"123"}))
    assert shown == "Approved by <@123>, not <\u200b@124>."


@given(st.text(alphabet=st.sampled_from("ab *_~`|<>@#&!1-.[]()\\\n\teveryonehere:/"), max_size=200))
def test_no_text_pings_outside_code(text: str) -> None:
    shown = to_discord(text)
    outside = re.sub(r"```.*?```|``.*?``|`[^`]*`", "", shown, flags=re.DOTALL)
    assert not _PING.search(outside)


@given(st.text(max_size=1900))
def test_whatever_fits_the_limit_can_be_sent_or_is_refused_clearly(text: str) -> None:
    try:
        form, _ = dress.body(message(text))
    except MessageRejected:
        assert len(text) > dress.MAX_EMBED // 4
        return
    assert dress.length(form["content"]) <= dress.MAX_CONTENT
    assert all(dress.length(embed["description"]) <= dress.MAX_EMBED for embed in form["embeds"])
    assert form["allowed_mentions"] == {"parse": [], "users": [], "replied_user": False}


@given(st.text(alphabet="*_|`~\\", min_size=1900, max_size=1900))
def test_the_worst_markup_still_fits(text: str) -> None:
    form, _ = dress.body(message(text))
    assert form["content"] or form["embeds"]


def test_notices_and_errors_are_embeds() -> None:
    for tone in (Tone.NOTICE, Tone.ERROR):
        form, _ = dress.body(message("careful", tone=tone))
        assert form["content"] == ""
        assert form["embeds"][0]["description"] == "careful"


def test_buttons_stand_in_rows_of_five_with_short_ids() -> None:
    turn = "discord:1:2:m1573861703538565163"
    buttons = tuple(
        Button(action=f"feedback:{word}", label=word, value=turn) for word in ("helpful", "partly", "not_helpful")
    ) + tuple(Button(action=f"go{n}", label="x" * 200, value="v" * 500) for n in range(4))
    form, values = dress.body(message("choose", buttons=buttons))
    assert [len(row["components"]) for row in form["components"]] == [5, 2]
    ids = [one["custom_id"] for row in form["components"] for one in row["components"]]
    assert ids[0] == "phantom_feedback:helpful:~m1573861703538565163"
    assert all(len(one) <= 100 for one in ids)
    assert list(values.values()) == ["v" * 500]
