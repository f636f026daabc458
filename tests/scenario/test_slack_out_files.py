"""Fetching files: the bearer goes to Slack alone, login pages and oversize files are caught, nothing half is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from phantom.errors import AuthError, ChannelError, ConnectError, Forbidden, RateLimited
from phantom.messages import Attachment, LocalFile
from phantom.testing.fake_slack.model import FakeFile
from phantom.testing.fake_slack.server import FakeSlack
from tests.scenario.slack_out_kit import Kit, slack_kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    async with FakeSlack() as slack, slack_kit(slack, tmp_path, max_file_bytes=100_000) as made:
        yield made


async def shared(kit: Kit, name: str, data: bytes) -> FakeFile:
    post = await kit.slack.post(kit.slack.owner, kit.slack.general, "see", files=[(name, data)])
    return post.files[0]


def attachment(file: FakeFile, **other: object) -> Attachment:
    values: dict[str, object] = {
        "id": file.id,
        "name": file.name,
        "media_type": file.media_type,
        "size": len(file.data),
        "url": file.url,
    }
    return Attachment(**(values | other))  # type: ignore[arg-type]


def held(local: LocalFile) -> bytes:
    return Path(local.path).read_bytes()


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


async def test_a_file_is_fetched_with_the_bearer(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "data.csv", b"a,b\n" * 10_000)
    local = await kit.behaviour.download(attachment(file), tmp_path, 50_000)
    assert held(local) == file.data
    assert Path(local.path).is_absolute()
    assert (local.name, local.size) == ("data.csv", 40_000)


async def test_two_files_of_one_name_do_not_meet_and_no_name_leaves_the_folder(kit: Kit, tmp_path: Path) -> None:
    first, second = await shared(kit, "a.txt", b"1"), await shared(kit, "a.txt", b"2")
    paths = {(await kit.behaviour.download(attachment(one), tmp_path, 10)).path for one in (first, second)}
    assert len(paths) == 2
    for name in ("../../etc/passwd", "..", "/etc/passwd", "a\x00b\n", "x" * 400 + ".txt", "", "C:\\evil", "."):
        local = await kit.behaviour.download(attachment(first, name=name, id="../F1"), tmp_path, 10)
        assert Path(local.path).parent == tmp_path
        assert len(local.name) <= 120


async def test_a_file_without_an_address_is_asked_for(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "a.txt", b"hello")
    local = await kit.behaviour.download(attachment(file, url="", size=None), tmp_path, 100)
    assert held(local) == b"hello"


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversize_file_is_not_kept(kit: Kit, tmp_path: Path, declared: bool) -> None:
    file = await shared(kit, "big.bin", b"x" * 5000)
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(ChannelError, match="larger than 4999 bytes") as caught:
        await kit.behaviour.download(attachment(file, size=5000 if declared else None), folder, 4999)
    assert "SLACK_MAX_FILE_BYTES" in caught.value.hint
    assert is_empty(folder)


async def test_the_setting_bounds_what_the_engine_asks_for(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "big.bin", b"x" * 100_001)
    with pytest.raises(ChannelError, match="larger than 100000"):
        await kit.behaviour.download(attachment(file, size=None), tmp_path, 10**9)


async def test_a_login_page_for_want_of_a_scope_says_so(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "a.png", b"\x89PNG")
    kit.slack.faults.withdraw_scope("files:read")
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(Forbidden, match="login page instead of the file") as caught:
        await kit.behaviour.download(attachment(file), folder, 100)
    assert "files:read" in caught.value.hint
    assert is_empty(folder)


async def test_a_login_page_saved_under_an_html_name_is_caught_too(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "page.html", b"<html>mine: log in</html>")
    local = await kit.behaviour.download(attachment(file), tmp_path, 1000)
    assert held(local) == file.data
    kit.slack.faults.withdraw_scope("files:read")
    with pytest.raises(Forbidden, match="login page"):
        await kit.behaviour.download(attachment(file), tmp_path, 1000)


async def test_a_login_page_for_a_revoked_token_is_an_auth_error(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "a.txt", b"x")
    kit.slack.faults.revoke_bot_token()
    with pytest.raises(AuthError):
        await kit.behaviour.download(attachment(file), tmp_path, 100)


async def test_a_rotated_token_fetches_the_file(kit: Kit, tmp_path: Path) -> None:
    file = await shared(kit, "a.txt", b"x")
    kit.source.waiting = kit.slack.app.rotate_bot_token()
    assert (await kit.behaviour.download(attachment(file), tmp_path, 100)).size == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/f",
        "http://169.254.169.254/v1/secrets/slack_bot_token",
        "https://files.slack.com.evil.example/f",
        "https://notslack.com/f",
        "https://files.slack.com@evil.example/f",
        "https://evil.example\\.slack.com/f",
        "http://files.slack.com/f",
        "ftp://files.slack.com/f",
        "//files.slack.com/f",
        "https://files.slack.com:444/f",
        "not an address",
    ],
)
async def test_the_bearer_goes_to_slack_alone(kit: Kit, tmp_path: Path, url: str) -> None:
    with pytest.raises(Forbidden, match="not on a Slack host"):
        await kit.behaviour.download(Attachment(id="F1", name="a", media_type="", size=1, url=url), tmp_path, 10)


@asynccontextmanager
async def server(handler: object) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_redirects_are_followed_to_slack_and_nowhere_else(kit: Kit, tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def foreign(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=b"trap")

    async with server(foreign) as elsewhere:

        async def slackish(request: web.Request) -> web.Response:
            match request.path:
                case "/away":
                    raise web.HTTPFound(elsewhere + "/file")
                case "/near":
                    raise web.HTTPFound("/file")
                case "/circle":
                    raise web.HTTPFound("/circle")
            return web.Response(body=b"good", content_type="text/plain")

        async with server(slackish) as origin:
            kit.web.base_url = origin + "/api/"
            near = Attachment(id="F1", name="a.txt", media_type="text/plain", size=4, url=origin + "/near")
            assert (await kit.behaviour.download(near, tmp_path, 10)).size == 4
            away = Attachment(id="F2", name="a.txt", media_type="text/plain", size=4, url=origin + "/away")
            with pytest.raises(Forbidden, match="not on a Slack host"):
                await kit.behaviour.download(away, tmp_path, 10)
            circle = Attachment(id="F3", name="a.txt", media_type="text/plain", size=4, url=origin + "/circle")
            with pytest.raises(ChannelError, match="circles"):
                await kit.behaviour.download(circle, tmp_path, 10)
    assert seen == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, Forbidden), (404, ChannelError), (410, ChannelError), (429, RateLimited), (503, ConnectError)],
)
async def test_other_answers_are_told_apart(kit: Kit, tmp_path: Path, status: int, kind: type[ChannelError]) -> None:
    async def slackish(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with server(slackish) as origin:
        kit.web.base_url = origin + "/api/"
        wanted = Attachment(id="F1", name="a", media_type="", size=1, url=origin + "/f")
        with pytest.raises(kind):
            await kit.behaviour.download(wanted, tmp_path, 10)
    assert is_empty(tmp_path)


async def test_a_line_that_breaks_leaves_nothing(kit: Kit, tmp_path: Path) -> None:
    async def slackish(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async with server(slackish) as origin:
        kit.web.base_url = origin + "/api/"
        wanted = Attachment(id="F1", name="a", media_type="", size=100, url=origin + "/f")
        with pytest.raises(ConnectError):
            await kit.behaviour.download(wanted, tmp_path, 1000)
    assert is_empty(tmp_path)
