"""One `phantom dev` a transport for every test here, one browser and one page a file: starting them is slow.

The browser is closed after each file: while its driver runs, no other test of the process can run an event loop.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.dev_page_kit import RunningDev, Workspace, chromium_path, launch, running_dev


@pytest.fixture(scope="session", params=["socket", "http"])
def dev(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDev]:
    """Slack over Socket Mode beside Discord's gateway, then both over signed posts."""
    chromium_path()
    with running_dev(request.param, tmp_path_factory.mktemp("dev")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module")
def tab(browser: Browser, dev: RunningDev) -> Iterator[Workspace]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield Workspace(context.new_page(), dev)
    context.close()


@pytest.fixture
def place(tab: Workspace) -> Iterator[Workspace]:
    """The page at the owner's direct message in Slack, as at the beginning but for what was said."""
    tab.begin("slack")
    yield tab
    tab.finish()


@pytest.fixture
def server(tab: Workspace) -> Iterator[Workspace]:
    """The page in Discord's channel `general`."""
    tab.begin("discord")
    yield tab
    tab.finish()
