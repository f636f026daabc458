"""What a page may ask for, one function each: what people do in the server. Faults are in `disturbances.py`."""

from __future__ import annotations

from typing import Any

from phantom.dev.discord.guild import LocalGuild
from phantom.dev.discord.typed import typed
from phantom.dev.side import JSON, Table
from phantom.dev.uploads import Uploads
from phantom.testing.fake_discord import FakeInteraction, FakeMessage

NO_ANSWER = "The application did not respond"
"""What Discord's clients show."""


class Actions:
    """The user's side. `table` maps the request's `do` to its function."""

    def __init__(self, guild: LocalGuild, uploads: Uploads) -> None:
        self._local = guild
        self._discord = guild.discord
        self._uploads = uploads
        self._forms: dict[str, FakeInteraction] = {}
        self.table: Table = {
            "post": self._post,
            "forum_post": self._forum_post,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "thread": self._thread,
            "command": self._command,
            "suggest": self._suggest,
            "menu": self._menu,
            "click": self._click,
            "select": self._select,
            "submit_form": self._submit_form,
        }

    def _typed(self, request: JSON) -> str:
        return typed(self._discord, self._local.guild, str(request["text"]))

    def _message(self, request: JSON) -> FakeMessage:
        """The message that `channel` and `message` name; KeyError when it is gone."""
        place, number = self._discord.channel(str(request["channel"])), str(request["message"])
        hidden = (one for one in self._discord.ephemerals if one.id == number and one.channel_id == place.id)
        found = place.messages.get(number) or next(hidden, None)
        if found is None:
            raise KeyError("this message is gone")
        return found

    def _own(self, request: JSON) -> FakeMessage:
        message = self._message(request)
        if message.author.id != request["as"]:
            raise ValueError("only its author may change a message")
        return message

    async def _post(self, request: JSON) -> JSON | None:
        files = self._uploads.take([str(one) for one in request.get("files", [])])
        answers = request.get("answers")
        message = await self._discord.post(
            str(request["as"]),
            str(request["channel"]),
            self._typed(request),
            reply_to=self._message({**request, "message": answers}) if answers else None,
            ping_author=bool(request.get("ping", True)),
            files=[(one.name, one.data) for one in files],
        )
        return {"message": message.id}

    async def _forum_post(self, request: JSON) -> JSON | None:
        title = str(request["title"]).strip()[:100]
        if not title:
            raise ValueError("a post needs a title")
        message = await self._discord.post_in_forum(
            str(request["as"]), str(request["channel"]), title, self._typed(request)
        )
        return {"place": message.channel_id}

    async def _edit(self, request: JSON) -> JSON | None:
        await self._discord.edit(self._own(request), self._typed(request))
        return None

    async def _delete(self, request: JSON) -> JSON | None:
        await self._discord.delete(self._own(request))
        return None

    async def _react(self, request: JSON) -> JSON | None:
        do = self._discord.react if request["on"] else self._discord.unreact
        await do(str(request["as"]), self._message(request), str(request["name"]))
        return None

    async def _thread(self, request: JSON) -> JSON | None:
        message = self._message(request)
        place = self._discord.channel(message.channel_id)
        if place.is_dm or place.is_thread:
            raise ValueError("threads begin in a channel of the server")
        thread = await self._discord.create_thread(
            str(request["as"]), place, str(request["name"]).strip()[:100] or "Thread", message=message
        )
        return {"place": thread.id}

    # --- what people do with the app ---

    async def _command(self, request: JSON) -> JSON | None:
        options: dict[str, Any] = {str(name): str(value) for name, value in dict(request.get("options", {})).items()}
        return await self._used(
            self._discord.command(
                str(request["as"]), str(request["channel"]), str(request["name"]), str(request["word"]), options
            )
        )

    async def _suggest(self, request: JSON) -> JSON | None:
        asked = await self._discord.autocomplete(
            str(request["as"]),
            str(request["channel"]),
            str(request["name"]),
            str(request["word"]),
            str(request["option"]),
            str(request["value"]),
        )
        await asked.answered()
        return {"choices": asked.choices or []}

    async def _menu(self, request: JSON) -> JSON | None:
        return await self._used(
            self._discord.context_menu(str(request["as"]), str(request["name"]), self._message(request))
        )

    async def _click(self, request: JSON) -> JSON | None:
        return await self._used(self._discord.click(str(request["as"]), self._message(request), str(request["action"])))

    async def _select(self, request: JSON) -> JSON | None:
        world, values = self._discord.core.world, [str(one) for one in request["values"]]
        things = [world.users.get(one) or world.channels.get(one) or self._local.guild.roles.get(one) for one in values]
        chosen = [thing or value for thing, value in zip(things, values, strict=True)]
        return await self._used(
            self._discord.select(str(request["as"]), self._message(request), str(request["action"]), chosen)
        )

    async def _submit_form(self, request: JSON) -> JSON | None:
        opened = self._forms[str(request["form"])]
        values = {str(name): str(value) for name, value in dict(request["values"]).items()}
        answered = await self._used(self._discord.submit_modal(opened, values))
        del self._forms[str(request["form"])]
        return answered

    async def _used(self, doing: Any) -> JSON | None:
        """Wait for the app's first answer; a form goes back to the page."""
        try:
            interaction: FakeInteraction = await doing
        except LookupError as error:
            raise ValueError(str(error.args[0] if error.args else error)) from error
        await interaction.answered()
        if interaction.error:
            raise ValueError(f"{NO_ANSWER}: {interaction.error}")
        if interaction.modal is None:
            return None
        self._forms[interaction.id] = interaction
        return {"form": interaction.id, "content": interaction.modal}
