"""`slack.uploadFile`: ask for an address, post the bytes there, share the file.

Until the last step nobody sees anything, so only that one can be in doubt; it is never repeated, since Slack would show
the file twice. What does *not* live here: files of the agent (`uploads.py`).
https://docs.slack.dev/messaging/working-with-files
"""

from __future__ import annotations

import base64
import binascii

from channels.slack.apps_content import Params, mrkdwn
from channels.slack.apps_line import answered
from channels.slack.apps_messages import Action, Desk
from channels.slack.apps_refusals import UNAVAILABLE, invalid
from channels.slack.apps_shapes import JSON
from channels.slack.uploads import safe_name
from phantom.apps import ActionRefused
from phantom.errors import AuthError, ChannelError

MAX_BYTES = 1_048_576
_SECONDS = 30.0


async def upload(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.uploadFile`."""
    data, name = _content(params), safe_name(params["fileName"])
    ask: JSON = {"filename": name, "length": len(data)}
    ticket = await desk.line.read("files.getUploadURLExternal", ask)
    file = answered(ticket, "file_id", "files.getUploadURLExternal")
    await _carry(desk, answered(ticket, "upload_url", "files.getUploadURLExternal"), data)
    call: JSON = {
        "files": [{"id": file, "title": params.get("title") or name}],
        "channel_id": params["channelId"],
        "thread_ts": params.get("threadId"),
        "initial_comment": mrkdwn(params["comment"]) if params.get("comment") else None,
    }
    await desk.line.once("files.completeUploadExternal", call)
    shared: JSON = {"fileId": file, "channelId": params["channelId"]}
    if "threadId" in params:
        shared["threadId"] = params["threadId"]
    return shared


async def _carry(desk: Desk, address: str, data: bytes) -> None:
    """The bytes to the address; a file that nobody is shown yet may be sent again."""
    try:
        status, _ = await desk.line.web.post(address, data=data, what="file_upload", seconds=_SECONDS)
    except AuthError:
        raise
    except ChannelError as error:
        raise _not_taken(error.message) from None
    if status != 200:
        raise _not_taken(f"Slack refused the upload with HTTP {status}")


def _not_taken(why: str) -> ActionRefused:
    return ActionRefused(
        UNAVAILABLE,
        f"{why}; nothing was shared",
        hint="try again",
        details={"retryable": True},
        retryable=True,
    )


def _content(params: Params) -> bytes:
    if "content" in params:
        data = str(params["content"]).encode("utf-8", "replace")
    else:
        try:
            data = base64.b64decode(params["contentBase64"], validate=True)
        except (binascii.Error, ValueError):
            raise invalid("`contentBase64`: not base64") from None
    if not data or len(data) > MAX_BYTES:
        raise invalid(f"the file must have 1 to {MAX_BYTES} bytes", "put a link to large files into a message")
    return data


ACTIONS: dict[str, Action] = {"slack.uploadFile": upload}
