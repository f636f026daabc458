"""The Discord side of the local workspace's page in a real browser: talking, commands, forms, files, faults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.dev_page_kit import ANSWER_MS, RESTART_MS, Workspace, http_only, socket_only

pytestmark = pytest.mark.browser

REGISTERED = """async () => {
  const { on, state } = await import("/store.js");
  while (!state.commands.length) await new Promise((done) => on("commands", done));
}"""
"""Waits until the commands are there."""


def button(message: Locator, name: str) -> Locator:
    """One of the tools of a message, shown by the pointer."""
    message.hover()
    return message.get_by_role("button", name=name, exact=True)


def said(server: Workspace, text: str) -> Locator:
    """A message of the agent's that begins with `text`; there is exactly one."""
    found = server.page.locator("#messages > [data-author=agent]").filter(
        has=server.page.locator(".content .rich").get_by_text(text, exact=True)
    )
    expect(found).to_have_count(1, timeout=ANSWER_MS)
    return found


def settled(server: Workspace, text: str) -> None:
    """One more message, answered: whatever was under way in this conversation before it has ended."""
    server.say(f"@phantom echo {text}")
    said(server, text)


@socket_only
def test_a_mention_is_answered_with_a_reply_and_marked(server: Workspace) -> None:
    page = server.page
    expect(page.locator("#team")).to_have_text("Local server")
    expect(page.locator(".person", has_text="sam").locator(".badge")).to_have_text("Team")
    page.locator("#write").press_sequentially("@pha")
    expect(page.locator(".completion li")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.type("echo **bold** and ||hidden||")
    page.keyboard.press("Enter")
    asked = server.mine("hidden")
    expect(asked.locator(".content .mention")).to_have_text("@phantom")
    answer = server.answered("hidden")
    expect(answer.locator(".answers")).to_contain_text("@olivia")
    expect(asked.locator("strong", has_text="bold")).to_be_visible()
    spoiler = asked.locator(".spoiler")
    expect(spoiler).to_have_attribute("aria-expanded", "false")
    spoiler.press("Enter")
    expect(spoiler).to_have_attribute("aria-expanded", "true")
    expect(asked.locator(".reaction")).to_have_text("✅1")
    button(answer, "React with 👍").click()
    expect(answer.locator(".reaction", has_text="👍")).to_have_attribute("aria-pressed", "true")
    answer.get_by_role("button", name="Helpful", exact=True).click()
    expect(server.entry("phantom_feedback:", type="interaction · component", state="acked").first).to_be_visible()


@socket_only
def test_a_reply_goes_on_without_a_mention_and_without_a_ping(server: Workspace) -> None:
    page = server.page
    server.say("@phantom remember my cat is called Mia")
    button(server.answered("Mia"), "Reply").click()
    expect(page.locator("#composer .note")).to_contain_text("Replying to phantom")
    page.get_by_label("notify @phantom").uncheck()
    server.say("what is my cat called?")
    expect(server.mine("what is my cat called?").locator(".answers")).to_contain_text("@phantom")
    expect(server.answers("is called Mia")).to_have_count(2, timeout=ANSWER_MS)
    server.say("a typping mistake")
    server.mine("a typping mistake").wait_for()
    page.keyboard.press("ArrowUp")
    server.say("a typing mistake")
    mistake = server.mine("a typing mistake")
    expect(mistake).to_contain_text("(edited)")
    button(mistake, "Delete").click()
    expect(mistake).to_have_count(0)


@socket_only
def test_threads_posts_and_direct_messages_are_conversations_of_their_own(server: Workspace) -> None:
    page = server.page
    server.say("plans for the release")
    plans = server.mine("plans for the release")
    button(plans, "Create thread").click()
    expect(page.locator("#place-about")).to_have_text("thread in #general")
    server.watch()
    server.say("@phantom slow 2")
    server.answered("Done: I worked for 2 seconds")
    assert server.showed("phantom is typing…")
    server.say("echo without a mention")
    server.answered("without a mention")
    server.go("general")
    expect(plans.locator(".thread-card")).to_contain_text("plans for the release")
    server.go("ideas")
    page.locator("#composer").get_by_label("Title").fill("Longer weekends")
    server.say("@phantom echo seconded")
    expect(page.locator("#place-name")).to_have_text("Longer weekends")
    server.answered("seconded")
    server.go("phantom")
    server.say("echo between us")
    server.answered("between us")


@socket_only
def test_a_bot_is_not_answered_and_what_is_unread_shows_on_the_rail(server: Workspace) -> None:
    page = server.page
    page.get_by_role("radio", name="buzz").check()
    expect(page.locator(".welcome .warn")).to_contain_text("buzz is a bot")
    server.say("@phantom echo from a bot")
    page.get_by_role("radio", name="sam").check()
    server.disturb("rate_limit")  # the answer takes two seconds longer
    server.say("@phantom echo from sam")
    page.locator('#rail [data-side="slack"]').click()
    expect(page.locator("#team")).to_have_text("Local workspace")
    expect(page.locator('#rail [data-side="discord"] .count')).to_have_text("1", timeout=ANSWER_MS)
    page.keyboard.press("Control+k")
    page.keyboard.type("gener")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#team")).to_have_text("Local server")
    server.answered("from sam")
    expect(server.answers("from a bot")).to_have_count(0)


@socket_only
def test_commands_are_those_that_phantom_registered(server: Workspace) -> None:
    page = server.page
    page.locator("#write").press_sequentially("/phantom st")
    expect(page.locator(".completion li")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.locator("#write")).to_have_value("/phantom stop")
    private = page.locator("#messages > .private")
    server.say("/phantom status")
    expect(private.last).to_contain_text("Agent: offline", timeout=ANSWER_MS)
    expect(private.last).to_contain_text("olivia used /phantom")
    server.say("/phantom ask question: echo just for me")
    expect(private.last.locator(".content")).to_contain_text("just for me", timeout=ANSWER_MS)
    server.say("/weather")
    expect(page.locator(".toast").last).to_contain_text("/weather is not installed here; /phantom is.")
    page.fill("#write", "")
    page.locator("#write").press_sequentially("/phantom ask echo once more conversation: ")
    # What one person asks here in private is one conversation, called after its first question.
    expect(page.locator(".completion li").first).to_contain_text(re.compile("just for me|asked by form"))


@socket_only
def test_the_menu_of_a_message_opens_a_form_and_approvals_wait(server: Workspace) -> None:
    page = server.page
    server.say("the release is on Thursday")
    button(server.mine("the release is on Thursday"), "Apps: Ask Phantom").click()
    form = page.get_by_role("dialog", name="Ask Phantom")
    expect(form.get_by_label("About this message")).to_have_value("the release is on Thursday")
    form.get_by_label("What do you want to know?").fill("echo asked by form")
    form.get_by_role("button", name="Submit").click()
    expect(form).to_have_count(0)
    expect(page.locator("#messages > .private").last).to_contain_text("asked by form", timeout=ANSWER_MS)
    server.go("phantom")
    server.say("approve feeding the cat")
    server.answered("May I feeding the cat").get_by_role("button", name="Approve", exact=True).click()
    server.answered("You said yes, so here I would act.")


@socket_only
def test_files_go_up_and_come_down_again(server: Workspace, tmp_path: Path) -> None:
    page = server.page
    file = tmp_path / "notes.txt"
    file.write_text("the cat is called Mia\n")
    server.go("phantom")
    page.locator("#composer input[type=file]").set_input_files(file)
    expect(page.locator("#composer .chip")).to_contain_text("notes.txt")
    server.say("echo look at this")
    expect(server.answered("I received one file")).to_contain_text("notes.txt: text/plain, 22 bytes")
    with page.expect_download() as download:
        server.mine("echo look at this").locator("a.file").click()
    assert download.value.path().read_bytes() == file.read_bytes()


@socket_only
def test_the_dialect_is_drawn_and_hostile_text_is_only_text(server: Workspace) -> None:
    page = server.page
    page.fill(
        "#write",
        "# Title\n-# small\n__under__ ~~gone~~ *it* `code` <:cat:123456789012345678> <t:0:d>\n> quote\n- item"
        "\n```py\nprint(1)\n```\n[docs](https://example.org/) [bad](javascript:window.hacked=1)"
        ' <img src=x onerror="window.hacked=1"> <script>window.hacked=1</script>',
    )
    page.press("#write", "Enter")
    message = server.mine("Title")
    for tag, text in (
        ("h3", "Title"),
        (".subtext", "small"),
        ("u", "under"),
        ("s", "gone"),
        ("em", "it"),
        (":not(pre) > code", "code"),
        (".emoji.custom", ":cat:"),
        ("blockquote", "quote"),
        ("li", "item"),
        ("pre[data-language=py]", "print(1)"),
        ("a", "docs"),
    ):
        expect(message.locator(f".content {tag}")).to_have_text(text)
    expect(message.locator(".content img, .content script")).to_have_count(0)
    expect(message).to_contain_text("<script>window.hacked=1</script>")
    assert page.evaluate("window.hacked") is None


@socket_only
def test_embeds_links_and_menus_are_drawn(server: Workspace) -> None:
    """Put into the page as Discord would show it: the offline agent sends few of them."""
    page = server.page
    server.say("a message with everything")
    message = server.mine("a message with everything")
    message.wait_for()
    page.evaluate(
        """async ([embeds, components]) => {
          const { apply, placeMessages, state } = await import("/store.js");
          const last = [...placeMessages(state.place).values()].at(-1);
          apply({ what: "message", side: "discord", change: "edited", message: { ...last, embeds, components } });
        }""",
        [
            [{"title": "Weather", "description": "**dry**", "color": 5793266, "footer": {"text": "from above"}}],
            [
                {"type": 1, "components": [{"type": 3, "custom_id": "x", "options": [{"label": "One", "value": "1"}]}]},
                {
                    "type": 1,
                    "components": [
                        {"type": 2, "style": 5, "label": "Bad", "url": "javascript:window.hacked=1"},
                        {"type": 2, "style": 5, "label": "Site", "url": "https://example.org/"},
                        {"type": 2, "style": 2, "label": "Old", "custom_id": "y", "disabled": True},
                    ],
                },
            ],
        ],
    )
    expect(message.locator(".embed")).to_contain_text("Weather")
    expect(message.locator(".embed strong")).to_have_text("dry")
    expect(message.get_by_role("link")).to_have_text("Site")
    expect(message.get_by_role("button", name="Old")).to_be_disabled()
    message.get_by_role("combobox").select_option("One")
    message.get_by_role("button", name="Choose").click()
    expect(page.locator(".toast").last).to_contain_text("shows no enabled component x")


@socket_only
def test_a_connection_that_breaks_loses_no_message(server: Workspace) -> None:
    expect(server.page.locator("#controls .group").first).to_contain_text("1 gateway connection")
    for switch in ("drop_gateway", "reconnect", "invalidate"):
        server.disturb(switch)
        settled(server, f"after {switch}")
    expect(server.entry("", type="gateway", state="ok").filter(has_text="resumed").first).to_be_visible()


@socket_only
def test_a_post_that_goes_wrong_is_still_one_answer(server: Workspace) -> None:
    for switch, state in (("rate_limit", "limited"), ("fail", "error"), ("lose_answer", "lost")):
        server.disturb(switch)
        text = f"despite {switch.replace('_', ' ')}"
        settled(server, text)
        row = server.entry(text, sort="call", type="create_message", state=state)
        expect(row).to_have_count(1)
    settled(server, "after the storm")
    for text in ("despite rate limit", "despite fail", "despite lose answer"):
        said(server, text)


@socket_only
def test_a_bad_token_stops_discord_alone(server: Workspace) -> None:
    page = server.page
    server.disturb("revoke")
    expect(page.locator("#status")).to_have_attribute("data-mood", "bad", timeout=ANSWER_MS)
    server.say("@phantom echo with a revoked token")
    server.begin("slack")
    expect(page.locator("#status")).to_have_attribute("data-mood", "ok")
    server.say("echo while Discord is away")
    server.answered("while Discord is away")
    page.get_by_role("button", name="Only Slack").click()
    expect(page.locator('#entries > [data-side="discord"]').first).to_be_hidden()
    page.get_by_role("button", name="Only Slack").click()
    page.locator('#rail [data-side="discord"]').click()
    server.disturb("rotate")
    expect(page.locator("#status")).to_have_attribute("data-mood", "ok", timeout=RESTART_MS)
    said(server, "with a revoked token")


@socket_only
def test_a_killed_daemon_finishes_on_both_platforms_what_it_began(server: Workspace) -> None:
    page = server.page
    server.say("@phantom slow 3")
    expect(server.mine("slow 3").locator(".reaction").first).to_be_visible(timeout=ANSWER_MS)
    server.begin("slack")
    server.say("slow 3")
    expect(server.mine("slow 3").last.locator(".reaction").first).to_be_visible(timeout=ANSWER_MS)
    server.disturb("restart")
    server.answered("Done: I worked for 3 seconds")
    server.say("echo Slack after the restart")
    server.answered("Slack after the restart")
    expect(server.answers("Done: I worked for 3 seconds")).to_have_count(1)
    page.locator('#rail [data-side="discord"]').click()
    server.answered("Done: I worked for 3 seconds")
    settled(server, "Discord after the restart")
    expect(server.answers("Done: I worked for 3 seconds")).to_have_count(1)


@http_only
def test_signed_interactions_work_without_a_gateway(server: Workspace) -> None:
    page = server.page
    expect(page.locator("#transport")).to_have_text("signed interactions")
    expect(page.locator(".welcome .warn")).to_contain_text("commands, menus and buttons only")
    private = page.locator("#messages > .private")
    page.evaluate(REGISTERED)
    server.say("/phantom ask echo over signed posts")
    expect(private.last).to_contain_text("over signed posts", timeout=ANSWER_MS)
    server.disturb("corrupt")
    server.say("/phantom status")
    expect(page.locator(".toast").last).to_contain_text("The application did not respond: HTTP 401")
    expect(page.locator("#write")).to_have_value("/phantom status")
    page.press("#write", "Enter")
    expect(private.last).to_contain_text("Agent: offline", timeout=ANSWER_MS)
