"""`files.*`, the upload address and the download address.

Facts: docs.slack.dev, "Working with files": ask for an upload URL, post the bytes, complete. A download without the
bearer is answered with Slack's HTML login page and status 200, which naive clients save as the file.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from phantom.testing.fake_slack.blocks import parse_json
from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.core import Core
from phantom.testing.fake_slack.lookups import writable_channel
from phantom.testing.fake_slack.methods_chat import new_message
from phantom.testing.fake_slack.model import JSON, FakeFile
from phantom.testing.fake_slack.payloads import message_event

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in to continue</body></html>"


def new_file(core: Core, *, name: str, data: bytes, user: str, media_type: str) -> FakeFile:
    """A file with an address, not yet shared anywhere."""
    file_id = core.workspace.next_id("F")
    return FakeFile(
        id=file_id,
        name=name,
        title=name,
        media_type=media_type,
        data=data,
        user=user,
        url=f"{core.url}/files-pri/{core.workspace.team.id}-{file_id}/{name}",
        created=int(core.clock.now()),
    )


@method("files.getUploadURLExternal", "files:write")
def get_upload_url(call: Call) -> JSON:
    """An address that takes exactly `length` bytes."""
    name = call.text("filename", required="invalid_arguments")
    length = call.number("length", 0)
    if length <= 0:
        raise SlackError("invalid_arguments")
    file = new_file(call.core, name=name, data=b"", user=call.core.app.bot_user_id, media_type=media_type_of(name))
    call.core.uploads[file.id] = file
    return {"upload_url": f"{call.core.url}/upload/v1/{file.id}?length={length}", "file_id": file.id}


@method("files.completeUploadExternal", "files:write")
def complete_upload(call: Call) -> JSON:
    """Share what was uploaded in `channel_id`, as one message by the bot."""
    items: Any = parse_json(call.args.get("files"), "invalid_arguments")
    if not isinstance(items, list) or not items:
        raise SlackError("invalid_arguments")
    files = [_uploaded(call, item) for item in items]
    if call.text("channel_id"):
        channel = writable_channel(call, "channel_id")
        message = new_message(call, channel, (call.text("initial_comment"), [], []))
        message.files = files
        for file in files:
            file.channels.append(channel.id)
        call.core.workspace.post(message)
        call.core.emit(message_event(call.core, channel, message), channel=channel, by=message.user)
    for file in files:
        call.core.workspace.files[file.id] = file
        call.core.uploads.pop(file.id)
    return {"files": [file.to_slack() for file in files]}


def _uploaded(call: Call, item: JSON) -> FakeFile:
    file = call.core.uploads.get(str(item.get("id", "")))
    if file is None or not file.data:
        raise SlackError("file_not_found")
    file.title = str(item.get("title") or file.name)
    return file


@method("files.info", "files:read")
def files_info(call: Call) -> JSON:
    """One file."""
    file = call.core.workspace.files.get(call.text("file", required="file_not_found"))
    if file is None:
        raise SlackError("file_not_found")
    return {"file": file.to_slack(), "comments": [], "response_metadata": {"next_cursor": ""}}


@method("files.delete", "files:write")
def files_delete(call: Call) -> JSON:
    """Remove one of the bot's files."""
    file = call.core.workspace.files.pop(call.text("file", required="file_not_found"), None)
    if file is None:
        raise SlackError("file_not_found")
    return {}


class FileServer:
    """The two addresses that carry bytes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """POST of the bytes, raw or as a form field."""
        file = self._core.uploads.get(request.match_info["file"])
        if file is None:
            return web.Response(status=404, text="not found")
        if request.content_type == "multipart/form-data":
            form = await request.post()
            part = next((value for value in form.values() if isinstance(value, web.FileField)), None)
            data = part.file.read() if part else b""
        else:
            data = await request.read()
        if len(data) != int(request.query["length"]):
            return web.Response(status=400, text="length does not match")
        file.data = data
        return web.Response(text=f"OK - {len(data)}")

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET of the bytes, with the bearer; the login page without it."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        kind, error = self._core.app.judge(token)
        if kind != "bot" or error:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        if "files:read" not in self._core.app.scopes - self._core.faults.withdrawn_scopes:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        file = self._core.workspace.files.get(request.match_info["place"].partition("-")[2])
        if file is None:
            return web.Response(status=404, text="not found")
        return web.Response(body=file.data, content_type=file.media_type)


def media_type_of(name: str) -> str:
    """By the name's ending, for what tests and demos use; anything else is `application/octet-stream`."""
    ending = name.rpartition(".")[2].lower()
    known = {
        "txt": "text/plain",
        "md": "text/markdown",
        "csv": "text/csv",
        "json": "application/json",
        "html": "text/html",
        "png": "image/png",
        "jpg": "image/jpeg",
        "pdf": "application/pdf",
    }
    return known.get(ending, "application/octet-stream")
