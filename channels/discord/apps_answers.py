"""Answering interactions for bridge apps, by the token that the book keeps.

An interaction is answered once: with a message, a form, a change of its message, or by deferring either. After that it
has an answer to edit and may be followed up for fifteen minutes. Two apps may try at once: the first one has it.
What does *not* live here: telling of interactions and keeping their tokens (`apps_interactions.py`).
https://docs.discord.com/developers/interactions/receiving-and-responding#responding-to-an-interaction
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.discord import apps_bodies as bodies
from channels.discord.apps_action import Action, Desk
from channels.discord.apps_bodies import Params
from channels.discord.apps_interactions import Open, State
from channels.discord.apps_refusals import invalid
from channels.discord.decode import JSON, mapping
from channels.discord.interactions_in import COMPONENT, MODAL
from phantom.apps import ActionRefused

_MESSAGE, _THINKING, _UPDATING, _UPDATE, _FORM = 4, 5, 6, 7, 9
"""Types of first answers."""
_CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
_FOLLOW_UP = "/webhooks/{webhook_id}/{webhook_token}"
_ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
_ALREADY = 40_060
_TO_BE_ANSWERED = "answer with replyToInteraction, deferInteraction, deferUpdateInteraction or updateInteraction first"


async def reply(desk: Desk, params: Params, _: str) -> JSON:
    """`replyToInteraction`: the first answer is a message."""
    found = _open(desk, params, "it was answered or deferred before: use editInteractionReply or followUpInteraction")
    async with _answering(found, State.ANSWERED):
        return _shown(desk, found, await _first(desk, found, _MESSAGE, bodies.answer(params)))


async def defer(desk: Desk, params: Params, _: str) -> JSON:
    """`deferInteraction`: the person sees that an answer will come. Deferring twice is deferring once."""
    found = desk.book.answerable(params["interactionId"])
    if found.state is not State.THINKING:
        found = _open(desk, params, "it was answered before: use followUpInteraction")
        flags = {"flags": bodies.EPHEMERAL} if params.get("ephemeral") is True else {}
        async with _answering(found, State.THINKING):
            await _first(desk, found, _THINKING, flags)
    return {"deferred": True, "interactionId": found.id}


async def defer_update(desk: Desk, params: Params, _: str) -> JSON:
    """`deferUpdateInteraction`: a button or menu is acknowledged, and nothing is to be seen."""
    found = _component(desk, params)
    async with _answering(found, State.UPDATING):
        await _first(desk, found, _UPDATING, None)
    return {"deferred": True, "interactionId": found.id}


async def update(desk: Desk, params: Params, _: str) -> JSON:
    """`updateInteraction`: the message with the button or menu is changed."""
    found = _component(desk, params)
    async with _answering(found, State.ANSWERED):
        return _shown(desk, found, await _first(desk, found, _UPDATE, bodies.message(params)))


async def show_modal(desk: Desk, params: Params, _: str) -> JSON:
    """`showModal`: a form. It cannot follow another form."""
    found = _open(desk, params, "it was answered before: a form must be the first answer")
    if found.kind == MODAL:
        raise invalid("a form cannot be answered with a form", "answer it with a message that has a button")
    form = {"title": params["title"], "custom_id": params["customId"], "components": params["components"]}
    async with _answering(found, State.FORM):
        await _first(desk, found, _FORM, form)
    return {"shown": True, "interactionId": found.id}


async def follow_up(desk: Desk, params: Params, _: str) -> JSON:
    """`followUpInteraction`: a further message; after deferInteraction, the first one is the answer itself."""
    found = _answered(desk, params)
    raw = await desk.line.object(
        "POST", _FOLLOW_UP, params={"wait": "true"}, json=bodies.answer(params), **_hook(found)
    )
    _settle(found)
    return _shown(desk, found, raw)


async def edit_reply(desk: Desk, params: Params, _: str) -> JSON:
    """`editInteractionReply`: change the answer, or put one where it was deferred."""
    found = _answered(desk, params)
    raw = await desk.line.object("PATCH", _ORIGINAL, json=bodies.message(params), **_hook(found))
    _settle(found)
    return _shown(desk, found, raw)


async def delete_reply(desk: Desk, params: Params, _: str) -> JSON:
    """`deleteInteractionReply`."""
    found = _answered(desk, params)
    await desk.line.call("DELETE", _ORIGINAL, **_hook(found))
    _settle(found)
    return {"deleted": True, "interactionId": found.id}


def _open(desk: Desk, params: Params, otherwise: str) -> Open:
    found = desk.book.answerable(params["interactionId"])
    if found.state is not State.NEW:
        taken = "another app is answering the interaction" if found.state is State.TAKEN else ""
        raise invalid(taken or f"the interaction was {found.state.value} already", otherwise)
    return found


def _component(desk: Desk, params: Params) -> Open:
    found = _open(desk, params, "it was answered before: use editInteractionReply")
    if found.kind not in (COMPONENT, MODAL):
        raise invalid("the interaction is no button or menu", "use replyToInteraction or deferInteraction")
    return found


def _answered(desk: Desk, params: Params) -> Open:
    found = desk.book.answerable(params["interactionId"])
    if found.state in (State.NEW, State.TAKEN, State.FORM):
        said = "was answered with a form" if found.state is State.FORM else "has not been answered yet"
        raise invalid(f"the interaction {said}", _TO_BE_ANSWERED)
    return found


def _settle(found: Open) -> None:
    if found.state is State.THINKING:
        found.state = State.ANSWERED


@asynccontextmanager
async def _answering(found: Open, then: State) -> AsyncIterator[None]:
    """Have the interaction for oneself until it is answered; what surely was not done leaves it as it was."""
    found.state = State.TAKEN
    try:
        yield
    except ActionRefused as error:
        answered = error.unknown or error.details.get("discordCode") == _ALREADY
        found.state = then if answered else State.NEW
        raise
    except BaseException:
        found.state = then  # cut off on the way: it may have been done
        raise
    found.state = then


async def _first(desk: Desk, found: Open, kind: int, data: JSON | None) -> JSON:
    body = {"type": kind} if data is None else {"type": kind, "data": data}
    raw = await desk.line.call(
        "POST",
        _CALLBACK,
        params={"with_response": "true"},
        json=body,
        interaction_id=found.id,
        interaction_token=found.token,
    )
    return dict(mapping(mapping(raw, "resource"), "message")) if isinstance(raw, dict) else {}


def _hook(found: Open) -> dict[str, Any]:
    return {"webhook_id": found.application, "webhook_token": found.token}


def _shown(desk: Desk, found: Open, raw: JSON) -> JSON:
    if not raw:  # Discord did it and did not show it
        return {"id": found.id, "channelId": found.place.channel, "attachments": [], "embeds": []}
    return desk.message(raw, found.place.guild)


ACTIONS: dict[str, Action] = {
    "replyToInteraction": reply,
    "deferInteraction": defer,
    "deferUpdateInteraction": defer_update,
    "followUpInteraction": follow_up,
    "editInteractionReply": edit_reply,
    "deleteInteractionReply": delete_reply,
    "updateInteraction": update,
    "showModal": show_modal,
}
