"""What a page may ask for, one function each: what people do in the workspace. Faults are in `disturbances.py`."""

from __future__ import annotations

from phantom.dev.side import JSON, Table
from phantom.dev.uploads import Uploads, WaitingFile
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.interactions import Answer
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.methods_files import media_type_of, new_file
from phantom.testing.fake_slack.model import FakeFile

TIMED_OUT = "Phantom did not answer in time (Slack would show an error here)"


class Actions:
    """The user's side. `table` maps the request's `do` to its function."""

    def __init__(self, slack: FakeSlack, uploads: Uploads) -> None:
        self._slack = slack
        self._uploads = uploads
        self.table: Table = {
            "post": self._post,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "click": self._click,
            "command": self._command,
            "shortcut": self._shortcut,
            "message_shortcut": self._message_shortcut,
            "submit_view": self._submit_view,
            "close_view": self._close_view,
            "suggest": self._suggest,
        }

    def _message(self, request: JSON) -> FakeMessage:
        """The message that `channel` and `message` name; KeyError when it is gone."""
        place = self._slack.channel(str(request["channel"]))
        found = place.messages.get(str(request["message"]))
        if found is None:
            hidden = [one for one in self._slack.ephemerals if one.ts == request["message"] and one.channel == place.id]
            found = hidden[0] if hidden else None
        if found is None:
            raise KeyError("this message is gone")
        return found

    def _own(self, request: JSON) -> FakeMessage:
        message = self._message(request)
        if message.user != request["as"]:
            raise ValueError("only its author may change a message")
        return message

    async def _post(self, request: JSON) -> JSON | None:
        thread, user = request.get("thread"), str(request["as"])
        shared = self._uploads.take([str(one) for one in request.get("files", [])])
        message = await self._slack.post(
            user,
            str(request["channel"]),
            self._slack.typed(str(request["text"])),
            thread_ts=str(thread) if thread else None,
            files=[self._file(one, user) for one in shared],
        )
        return {"message": message.ts}

    def _file(self, one: WaitingFile, user: str) -> FakeFile:
        return new_file(self._slack.core, name=one.name, data=one.data, user=user, media_type=media_type_of(one.name))

    async def _edit(self, request: JSON) -> JSON | None:
        await self._slack.edit(self._own(request), self._slack.typed(str(request["text"])))
        return None

    async def _delete(self, request: JSON) -> JSON | None:
        await self._slack.delete(self._own(request))
        return None

    async def _react(self, request: JSON) -> JSON | None:
        do = self._slack.react if request["on"] else self._slack.unreact
        await do(str(request["as"]), self._message(request), str(request["name"]))
        return None

    async def _click(self, request: JSON) -> JSON | None:
        answer = await self._slack.click(
            str(request["as"]), self._message(request), str(request["action"]), block_id=str(request["block"])
        )
        return _acked(answer)

    async def _command(self, request: JSON) -> JSON | None:
        name, _, text = str(request["text"]).partition(" ")
        answer = await self._slack.command(str(request["as"]), str(request["channel"]), name, text.strip())
        return _acked(answer)

    async def _shortcut(self, request: JSON) -> JSON | None:
        return _acked(await self._slack.shortcut(str(request["as"]), "phantom_ask"))

    async def _message_shortcut(self, request: JSON) -> JSON | None:
        message = self._message(request)
        return _acked(await self._slack.message_shortcut(str(request["as"]), message, "phantom_ask_about"))

    async def _submit_view(self, request: JSON) -> JSON | None:
        answer = await self._slack.submit_view(str(request["as"]), str(request["view"]), dict(request["values"]))
        return _acked(answer)

    async def _close_view(self, request: JSON) -> JSON | None:
        await self._slack.close_view(str(request["as"]), str(request["view"]))
        return None

    async def _suggest(self, request: JSON) -> JSON | None:
        options = await self._slack.suggest(
            str(request["as"]),
            str(request["view"]),
            str(request["block"]),
            str(request["action"]),
            str(request["value"]),
        )
        return {"options": options}


def _acked(answer: Answer) -> JSON | None:
    if not answer.acked:
        raise ValueError(TIMED_OUT)
    return None
