"""The switches of the local workspace's page in a real browser: what is done to the daemon, and that nobody is
answered twice or not at all. Also what the page does with hostile text and on a small screen.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.browser.dev_page_kit import ANSWER_MS, RESTART_MS, RunningDev, Workspace, http_only, socket_only

pytestmark = pytest.mark.browser


def settled(place: Workspace, text: str) -> None:
    """One more message, answered: whatever was under way in this conversation before it has ended."""
    place.say(f"echo {text}")
    place.answered(text)
    place.quiet(f"echo {text}")


def test_a_redelivered_event_is_answered_once(place: Workspace) -> None:
    place.say("echo only once")
    place.answered("only once")
    row = place.entry("echo only once", type="message").first
    row.locator("summary").click()
    expect(row.locator("pre")).to_contain_text('"type": "event_callback"')
    row.get_by_role("button", name="Redeliver").click()
    again = place.entry("echo only once", type="message").first
    expect(again.locator(".badge")).to_have_text("again")
    expect(again).to_have_attribute("data-state", "acked")
    settled(place, "after the redelivery")
    expect(place.answers("only once")).to_have_count(1)


def test_a_lost_ack_is_delivered_again_and_answered_once(place: Workspace) -> None:
    settled(place, "before the ack is lost")  # else another test's event may be what goes unacked
    place.disturb("lose_ack")
    expect(place.page.locator('#controls [data-do="lose_ack"]')).to_have_attribute("aria-pressed", "true")
    place.say("echo acked in vain")
    place.answered("acked in vain")
    expect(place.entry("echo acked in vain", type="message").locator(".outcome")).to_contain_text("try 2")
    settled(place, "after the lost ack")
    expect(place.answers("acked in vain")).to_have_count(1)


@http_only
def test_a_forged_post_is_refused_and_the_honest_retry_is_answered_once(place: Workspace) -> None:
    expect(place.page.locator('#controls [data-do="drop_socket"]')).to_have_count(0)
    settled(place, "before the forgeries")
    for switch, text in (("corrupt", "wrongly signed"), ("stale", "signed long ago")):
        place.disturb("hold")
        place.say(f"echo {text}")
        place.entry(f"echo {text}", state="held").wait_for()
        place.disturb(switch)
        place.page.locator('#controls [data-do="release"]', has_text="Release 1").click()
        place.answered(text)
        row = place.entry(f"echo {text}", type="message")
        expect(row.locator(".outcome")).to_contain_text("try 2")
        settled(place, f"after {text}")
        expect(place.answers(text).filter(has_not_text="after")).to_have_count(1)


@http_only
def test_recorded_bytes_cannot_be_replayed_into_a_second_answer(place: Workspace) -> None:
    place.say("echo recorded")
    place.answered("recorded")
    row = place.entry("echo recorded", type="message")
    row.locator("summary").click()
    row.get_by_role("button", name="Replay bytes").click()
    expect(place.page.locator(".toast").last).to_contain_text("The very same bytes again: HTTP")
    settled(place, "after the replay")
    expect(place.answers("recorded")).to_have_count(1)


def test_held_events_wait_and_go_in_order(place: Workspace) -> None:
    settled(place, "before all waits")
    place.disturb("hold")
    expect(place.page.locator('#controls [data-do="release"]', has_text="Release 0")).to_be_visible()
    for text in ("held one", "held two"):
        place.say(f"echo {text}")
        expect(place.entry(f"echo {text}", state="held")).to_have_count(1)
    expect(place.answers("held")).to_have_count(0)
    place.page.locator('#controls [data-do="release"]', has_text="Release 2").click()
    place.answered("held one")
    place.answered("held two")
    texts = place.answers("held").all_inner_texts()
    assert "held one" in texts[0]
    assert "held two" in texts[1]


@pytest.mark.parametrize(("switch", "state"), [("rate_limit", "limited"), ("lose_answer", "lost")])
def test_a_post_that_goes_wrong_is_still_one_answer(place: Workspace, switch: str, state: str) -> None:
    before = place.entry("", sort="call", type="chat.postMessage", state=state).count()
    place.disturb(switch)
    place.say(f"echo despite {switch}")
    place.answered(f"despite {switch}")
    expect(place.entry("", sort="call", type="chat.postMessage", state=state)).to_have_count(before + 1)
    settled(place, f"after {switch}")
    expect(place.answers(f"despite {switch}")).to_have_count(1)


def test_a_revoked_token_stops_the_channel_until_it_is_rotated(place: Workspace) -> None:
    page = place.page
    place.disturb("revoke")
    place.say("echo with a revoked token")
    expect(page.locator("#status")).to_have_attribute("data-mood", "bad", timeout=ANSWER_MS)
    place.disturb("rotate")
    expect(page.locator("#status")).to_have_attribute("data-mood", "ok", timeout=RESTART_MS)
    place.answered("with a revoked token")


@socket_only
def test_a_cut_socket_comes_back(place: Workspace) -> None:
    expect(place.page.locator('#controls [data-do="corrupt"]')).to_have_count(0)
    place.disturb("drop_socket")
    settled(place, "after the cut")


@http_only  # over Socket Mode together with Discord, in test_dev_page_discord.py
def test_a_killed_daemon_finishes_what_it_began(place: Workspace) -> None:
    page = place.page
    place.say("slow 3")
    expect(place.mine("slow 3").last.locator(".reaction").first).to_be_visible(timeout=ANSWER_MS)
    place.disturb("restart")
    place.answered("Done: I worked for 3 seconds")
    expect(page.locator("#status")).to_have_attribute("data-mood", "ok")
    settled(place, "after the restart")
    expect(place.answers("Done: I worked for 3 seconds")).to_have_count(1)


@socket_only
def test_hostile_text_is_only_text(place: Workspace) -> None:
    page = place.page
    hostile = (
        '<img src=x onerror="window.hacked=1"> [click](javascript:window.hacked=1) <script>window.hacked=1</script>'
    )
    place.say(f"echo {hostile}")
    answer = place.answers("onerror")
    expect(answer).to_have_count(1, timeout=ANSWER_MS)
    for message in (answer, place.mine("onerror")):
        expect(message.locator(".content img, .content script, .content a")).to_have_count(0)
        expect(message).to_contain_text("<script>window.hacked=1</script>")
    assert page.evaluate("window.hacked") is None
    reported = page.expect_console_message(lambda message: message.text.startswith("policy "))
    with reported, pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>x</b>'")
    place.complaints.clear()  # the policy's own reports of the attempt just made


@socket_only
def test_markdown_is_drawn(place: Workspace) -> None:
    page = place.page
    page.fill(
        "#write",
        "echo # Title\n\n- **bold** and `code`\n- [link](https://example.org/)\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    )
    page.press("#write", "Enter")
    answer = place.answered("Title")
    expect(answer.locator("h3")).to_have_text("Title")
    expect(answer.locator("li strong")).to_have_text("bold")
    expect(answer.locator("code")).to_have_text("code")
    expect(answer.locator("a")).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(answer.locator("td")).to_have_count(2)


@socket_only
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_everything_on_one_screen_at_a_time(browser: Browser, dev: RunningDev, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)  # type: ignore[arg-type]
    place = Workspace(context.new_page(), dev)
    page = place.page
    settled(place, f"on a {scheme} phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Conversations").click()
    place.go("general")
    expect(page.locator("nav")).to_be_hidden()
    place.say(f"@phantom echo a {scheme} thread")
    place.mine(f"a {scheme} thread").get_by_role("button", name="1 reply").click(timeout=ANSWER_MS)
    place.answered(f"a {scheme} thread", "#replies")
    page.get_by_role("button", name="Close thread").click()
    page.get_by_role("button", name="Events", exact=True).click()
    expect(page.locator("#entries > li").first).to_be_visible()
    page.get_by_role("button", name="Close events").click()
    page.get_by_role("button", name="Conversations").click()
    page.locator('#rail [data-side="discord"]').click()
    place.go("general")
    place.say(f"@phantom echo {scheme} on Discord")
    place.answered(f"{scheme} on Discord")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    place.finish()
    context.close()
