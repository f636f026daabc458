"""An app in another process is killed and started again; the workspace outlives it and delivers what is left."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from phantom.testing.daemon_process import kept_port
from phantom.testing.fake_slack import FakeSlack, RetrySchedule

OVER_SOCKET = """
import asyncio, sys
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
async def main(api, app_token, limit):
    client = SocketModeClient(app_token, web_client=AsyncWebClient(base_url=api))
    seen = []
    async def on(client, request):
        seen.append(request)
        if len(seen) <= limit:
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
    client.socket_mode_request_listeners.append(on)
    await client.connect()
    await asyncio.Event().wait()
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

OVER_HTTP = """
import asyncio, sys
from aiohttp import web
seen = []
async def on(request):
    await request.read()
    seen.append(request)
    if len(seen) > int(sys.argv[2]):
        await asyncio.Event().wait()
    return web.Response()
app = web.Application()
app.router.add_post("/slack/events", on)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


async def start(tmp_path: Path, code: str, *args: str) -> Process:
    script = tmp_path / "app.py"
    script.write_text(code)
    return await asyncio.create_subprocess_exec(sys.executable, str(script), *args, stderr=PIPE)


async def kill(process: Process) -> None:
    process.kill()
    await process.communicate()


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_sigkill_loses_no_event(tmp_path: Path, transport: str) -> None:
    async with FakeSlack(transport=transport) as slack:
        if transport == "http":
            port = kept_port(slack)
            code, args = OVER_HTTP, [str(port)]
            url = f"http://127.0.0.1:{port}"
            slack.deliver_over_http(url, secret="s", timeout=60, schedule=RetrySchedule((0.05,), forever=True))
        else:
            slack.sockets.ack_timeout = 60
            code, args = OVER_SOCKET, [slack.api_url, slack.app_token]
        for number in range(20):
            await slack.post(slack.owner, slack.general, str(number))
        first = await start(tmp_path, code, *args, "7")
        await slack.wait_for(lambda: sum(one.acked for one in slack.delivered) == 7, timeout=60)
        await kill(first)
        assert len(slack.delivered.pending) == 13
        second = await start(tmp_path, code, *args, "100")
        await slack.settled(60)
        await kill(second)
        assert all(one.acked for one in slack.delivered)
        interrupted = [one for one in slack.delivered if one.attempts[-1].retry > 0]
        assert {"connection_lost", "connection_failed"} & {a.outcome for one in interrupted for a in one.attempts}
