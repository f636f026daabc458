"""A running `phantom dev` and a real headless Chromium. What is tested with them lives in `test_dev_page*.py`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DISCORD = {"socket": "gateway", "http": "http"}
"""Discord's transport beside each of Slack's."""
socket_only = pytest.mark.parametrize("dev", ["socket"], indirect=True)
"""For what does not depend on how events arrive: what the page draws, its keys, small screens."""
http_only = pytest.mark.parametrize("dev", ["http"], indirect=True)
ANSWER_MS = 30_000
"""Milliseconds until the agent's first answer; generous, since the machine may be busy."""
RESTART_MS = 60_000
"""The same for a channel that has to come back."""
expect.set_options(timeout=ANSWER_MS)

HOME = """([side, home]) => {
  const named = (rows, name) => [...document.querySelectorAll(rows)]
    .find((row) => row.querySelector(".name").textContent === name);
  document.querySelector(`#rail [data-side="${side}"]`).click();
  const owner = named("#people .person", "olivia").querySelector("input");
  if (!owner.checked) owner.click();
  named("#places .place", home).click();
  document.querySelector("#write").value = "";
}"""
"""Presses the platform, the owner and the conversation."""

WATCH = """() => {
  window.seen = [];
  const look = () => {
    window.seen.push(document.querySelector("#activity").textContent);
    for (const one of document.querySelectorAll("[data-author=agent]:has(.context)")) window.seen.push(one.textContent);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
"""Takes down who is typing and what shows as progress, however short a time it is there."""


def chromium_path() -> str:
    """The browser to drive, or a skip that says what to do."""
    named = os.environ.get("PHANTOM_CHROMIUM", "")
    for found in (named, "/usr/bin/chromium", *map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        if found and Path(found).is_file():
            return found
    pytest.skip("no Chromium is installed: apt-get install chromium, or set PHANTOM_CHROMIUM to its path")


def launch(playwright: Playwright) -> Browser:
    """A browser that reaches for nothing by itself."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)


@dataclass(frozen=True, slots=True)
class RunningDev:
    """A `phantom dev` process: its page, its transport, and what it has printed until the page was up."""

    url: str
    transport: str
    printed: str
    process: subprocess.Popen[str]


@contextmanager
def running_dev(transport: str, folder: Path, *arguments: str) -> Iterator[RunningDev]:
    """Start `phantom dev` on a free port in an empty folder; stop it with SIGINT and check that it ends well."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
    environ = {name: os.environ[name] for name in kept if name in os.environ}
    errors = folder / "errors.txt"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "phantom", "dev", "--no-open", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            cwd=folder,
            env={**environ, "SLACK_TRANSPORT": transport, "DISCORD_TRANSPORT": DISCORD[transport]},
        )
        try:
            printed = _first_screen(process)
            found = re.search(r"http://\S+/$", printed, re.MULTILINE)
            assert found, printed + errors.read_text()
            yield RunningDev(found[0], transport, printed, process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                status = process.wait(60)
            finally:
                process.kill()
    assert status == 0, errors.read_text()


def _first_screen(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    return "".join(lines)


class Workspace:
    """The page as a person uses it. Fails at `finish` when the console or the content policy complained."""

    def __init__(self, page: Page, dev: RunningDev) -> None:
        self.page = page
        self.transport = dev.transport
        self.complaints: list[str] = []
        """What the console said that it should not have said."""
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " (event) => console.error('policy', event.violatedDirective, event.blockedURI))"
        )
        page.goto(dev.url)
        expect(page.locator("#status")).to_have_attribute("data-mood", "ok", timeout=ANSWER_MS)

    def begin(self, side: str) -> None:
        """The owner, at home on one side; whatever another test left open is closed."""
        page = self.page
        if page.locator("dialog[open], #thread:not([hidden])").count():
            page.reload()
        expect(page.locator("#rail .side")).to_have_count(2)
        # One call instead of a click each, which waits for the page to stand still: this is no part of any test.
        page.evaluate(HOME, [side, "phantom" if side == "slack" else "general"])
        expect(page.locator("#write")).to_be_focused()

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def finish(self) -> None:
        found, self.complaints = self.complaints, []
        assert found == []

    def say(self, text: str, box: str = "#write") -> None:
        """Type and press Enter."""
        self.page.fill(box, text)
        self.page.press(box, "Enter")

    def answers(self, text: str, where: str = "#messages") -> Locator:
        """The agent's messages that hold `text`."""
        return self.page.locator(f"{where} > [data-author=agent]", has_text=text)

    def mine(self, text: str, where: str = "#messages") -> Locator:
        """People's messages that hold `text`."""
        return self.page.locator(f"{where} > [data-author=person]", has_text=text)

    def answered(self, text: str, where: str = "#messages") -> Locator:
        """Wait for exactly one answer with `text`."""
        found = self.answers(text, where)
        expect(found).to_have_count(1, timeout=ANSWER_MS)
        return found

    def go(self, name: str) -> None:
        """Open a conversation from the side bar."""
        self.page.locator("#places .place", has_text=name).first.click()
        expect(self.page.locator("#place-name")).to_contain_text(name)

    def entry(self, about: str, sort: str = "delivery", **attributes: str) -> Locator:
        """Rows behind the scenes, newest first."""
        extra = "".join(f'[data-{name}="{value}"]' for name, value in attributes.items())
        return self.page.locator(f'#entries > [data-sort="{sort}"]{extra}', has_text=about)

    def quiet(self, text: str) -> None:
        """Wait until Slack's events about the answered message `text` are acked: also those of Phantom's own answer
        and of its mark, which come later, and which a fault that is armed now would befall.
        """
        marked = '#entries > [data-type="reaction_added"][data-state="acked"]'  # newest first: it stands before
        expect(self.page.locator(f'{marked} ~ [data-sort="delivery"]', has_text=text).first).to_be_attached()
        for state in ("sending", "retrying"):
            expect(self.page.locator(f'#entries > [data-side="slack"][data-state="{state}"]')).to_have_count(0)

    def watch(self) -> None:
        """Begin to take down what `showed` tells."""
        self.page.evaluate(WATCH)

    def showed(self, text: str) -> bool:
        """Whether `text` was shown since `watch`, as a progress message or by who is typing."""
        return bool(self.page.evaluate("(text) => window.seen.some((one) => one.includes(text))", text))

    def disturb(self, what: str) -> None:
        """Press one of the switches."""
        self.page.locator(f'#controls [data-do="{what}"]').click()
