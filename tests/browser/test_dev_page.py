"""The local workspace's page in a real browser, on both transports: talking, threads, commands, files, forms, keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dev_page_kit import ANSWER_MS, Workspace, socket_only

pytestmark = pytest.mark.browser


def test_a_newcomer_types_and_is_answered(place: Workspace) -> None:
    page = place.page
    page.reload()
    expect(page.locator("#place-name")).to_have_text("phantom")
    expect(page.locator(".welcome")).to_contain_text("Just type: it answers.")
    expect(page.locator("#write")).to_be_focused()
    page.keyboard.type("echo first words")
    page.keyboard.press("Enter")
    place.answered("first words")
    expect(page.locator("#write")).to_have_value("")
    expect(place.entry("echo first words", state="acked")).to_have_count(1)


@socket_only
def test_a_suggestion_is_sent_with_one_press(place: Workspace) -> None:
    place.page.get_by_role("button", name="2 * 21", exact=True).click()
    expect(place.answered("2 * 21 = 42").locator("strong", has_text="42")).to_be_visible()


def test_a_mention_in_a_channel_is_answered_in_its_thread(place: Workspace) -> None:
    page = place.page
    place.go("general")
    place.say("@phantom echo into a thread")
    root = place.mine("into a thread")
    expect(root.locator(".mention")).to_have_text("@phantom")
    root.get_by_role("button", name="1 reply").click(timeout=ANSWER_MS)
    place.answered("into a thread", "#replies")
    expect(page.locator("#reply")).to_be_focused()
    place.say("echo and on it goes", "#reply")
    place.answered("and on it goes", "#replies")
    expect(root.get_by_role("button", name="3 replies")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#thread")).to_be_hidden()
    expect(page.locator("#write")).to_be_focused()


@socket_only
def test_progress_is_edited_in_place(place: Workspace) -> None:
    place.watch()
    place.say("slow 4")
    done = place.answered("Done: I worked for 4 seconds")
    expect(done).to_contain_text("(edited)")
    assert place.showed(" of 4")


def test_reactions_come_and_go_with_a_click(place: Workspace) -> None:
    place.say("echo react to this")
    mine = place.mine("react to this")
    place.answered("react to this")
    mine.hover()
    mine.get_by_role("button", name="React with +1").click()
    reaction = mine.locator(".reaction[title^=':+1:']")
    expect(reaction).to_have_attribute("aria-pressed", "true")
    reaction.click()
    expect(reaction).to_have_count(0)
    expect(place.entry("+1", type="reaction_removed", state="acked")).to_have_count(1)


def test_up_edits_the_last_own_message_and_deleting_takes_it_away(place: Workspace) -> None:
    page = place.page
    place.go("with-partner")
    place.say("a typping mistake")
    place.mine("a typping mistake").wait_for()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#write")).to_have_value("a typping mistake")
    place.say("a typing mistake")
    message = place.mine("a typing mistake")
    expect(message).to_contain_text("(edited)")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    expect(page.locator("#write")).to_have_value("")
    message.hover()
    message.get_by_role("button", name="Delete").click()
    expect(message).to_have_count(0)
    expect(place.entry("", type="message · message_deleted").first).to_be_visible()


def test_slash_commands_complete_and_answer_privately(place: Workspace) -> None:
    page = place.page
    page.keyboard.type("/phantom st")
    expect(page.locator(".completion li")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.locator("#write")).to_have_value("/phantom status")
    page.keyboard.press("Enter")
    answer = page.locator("#messages > .private", has_text="Agent: offline")
    expect(answer).to_contain_text("Only visible to you", timeout=ANSWER_MS)
    place.say("/phantom help")
    expect(page.locator("#messages > .private", has_text="answers when you mention it")).to_be_visible()
    place.say("/weather")
    expect(page.locator(".toast").last).to_contain_text("/weather is not installed here")


def test_feedback_buttons_reach_phantom(place: Workspace) -> None:
    place.say("echo rate me")
    place.answered("rate me").get_by_role("button", name="Helpful", exact=True).click()
    expect(place.entry("phantom_feedback:", type="block_actions", state="acked").first).to_be_visible()


def test_an_approval_waits_for_a_press(place: Workspace) -> None:
    place.say("approve feeding the cat")
    question = place.answered("May I feeding the cat")
    question.get_by_role("button", name="Approve").click()
    place.answered("You said yes, so here I would act.")


def test_files_go_up_and_come_down_again(place: Workspace, tmp_path: Path) -> None:
    page = place.page
    file = tmp_path / f"notes-{place.transport}.txt"
    file.write_text("the cat is called Mia\n")
    page.locator("#composer input[type=file]").set_input_files(file)
    expect(page.locator("#composer .chip")).to_contain_text(file.name)
    place.say("echo look at this")
    answer = place.answered("I received one file")
    expect(answer).to_contain_text(f"{file.name}: text/plain, 22 bytes")
    with page.expect_download() as download:
        place.mine("echo look at this").locator("a.file").click()
    assert download.value.path().read_bytes() == file.read_bytes()


@socket_only
def test_dropped_files_are_attached(place: Workspace) -> None:
    page = place.page
    data = page.evaluate_handle(
        "() => { const d = new DataTransfer(); d.items.add(new File(['x,y'], 'dropped.csv')); return d; }"
    )
    page.dispatch_event("main", "drop", {"dataTransfer": data})
    expect(page.locator("#composer .chip")).to_contain_text("dropped.csv")
    page.get_by_role("button", name="Remove dropped.csv").click()
    expect(page.locator("#composer .chip")).to_have_count(0)


def test_the_shortcut_opens_a_form_that_asks(place: Workspace) -> None:
    page = place.page
    place.go("general")
    place.say("@phantom echo something to go on with")
    root = place.mine("something to go on with")
    expect(root.get_by_role("button", name="1 reply")).to_be_visible(timeout=ANSWER_MS)
    page.locator("#composer").get_by_role("button", name="Shortcut").click()
    form = page.get_by_role("dialog", name="Ask phantom")
    expect(form.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("echo asked by form")
    where = form.get_by_label("Continue a conversation")
    where.fill("something")
    offer = form.locator(".options button", has_text="something to go on with")
    expect(offer).to_be_visible()
    where.press("Escape")
    expect(offer).to_be_hidden()
    where.press("ArrowRight")
    where.click()
    offer.first.click()
    expect(where).not_to_have_value("something")
    form.get_by_role("button", name="Ask", exact=True).click()
    expect(form).to_have_count(0)
    root.get_by_role("button", name="2 replies").click(timeout=ANSWER_MS)
    place.answered("asked by form", "#replies")


def test_a_message_shortcut_quotes_the_message_and_escape_closes(place: Workspace) -> None:
    page = place.page
    place.go("general")
    place.say("the release is on Thursday")
    message = place.mine("the release is on Thursday")
    message.hover()
    message.get_by_role("button", name="Ask about this message").click()
    question = page.get_by_role("dialog", name="Ask phantom").get_by_label("Your question")
    expect(question).to_have_value("> the release is on Thursday\n\n")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


@socket_only
def test_the_keyboard_switches_conversations(place: Workspace) -> None:
    page = place.page
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Go to a conversation")).to_be_focused()
    page.keyboard.type("priv")
    page.keyboard.press("Enter")
    expect(page.locator("#place-name")).to_have_text("# team-private")
    expect(page.locator("#write")).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(page.locator("#write")).to_have_value("one\ntwo")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


@socket_only
def test_messages_are_reached_and_worked_with_keys_alone(place: Workspace) -> None:
    page = place.page
    place.say("echo keys only")
    place.answered("keys only")
    press_until(page, "Shift+Tab", "#messages > li, #messages > li *")
    page.evaluate("document.activeElement.closest('#messages > li').focus()")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.author") == "person"
    press_until(page, "Tab", "[aria-label='React with +1']")
    page.keyboard.press("Enter")
    expect(place.mine("keys only").locator(".reaction[title^=':+1:']")).to_be_visible()


def press_until(page: Page, key: str, selector: str) -> None:
    """Press a key until the focus is on something; a page has fewer stops than this."""
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{key} does not lead to {selector}")


def test_a_guest_is_not_answered_by_default(place: Workspace) -> None:
    page = place.page
    page.get_by_role("radio", name="gina").check()
    expect(page.locator(".welcome .warn")).to_contain_text("gina is a guest")
    place.say("echo from a guest")
    expect(place.entry("echo from a guest", state="acked")).to_have_count(1)
    page.get_by_role("radio", name="sam").check()
    place.say("echo from a member")
    place.answered("from a member")
    page.get_by_role("radio", name="gina").check()
    expect(place.mine("echo from a guest")).to_be_visible()
    expect(place.answers("from a guest")).to_have_count(0)
