"""Ids of components and forms that only Phantom may use. Pure.

A press carries the `custom_id` and nothing else: an app that could post a button with one of ours would make people
approve, rate or ask without knowing it.
"""

from __future__ import annotations

from typing import Any

from channels.discord.apps_refusals import invalid

PREFIX = "phantom_"
_IDS = ("custom_id", "customId")
_DEPTH = 40


def refuse_our_ids(params: Any, depth: int = 0) -> None:
    """Raises `ActionRefused` when an id of Phantom's own is anywhere in what an app sends."""
    if depth > _DEPTH:
        raise invalid("nested too deeply")
    if isinstance(params, dict):
        for name in _IDS:
            if str(params.get(name, "")).startswith(PREFIX):
                raise invalid(f"`{name}`: ids that begin with {PREFIX} are Phantom's own", "give it another name")
    if isinstance(params, dict | list):
        for one in params.values() if isinstance(params, dict) else params:
            if isinstance(one, dict | list):
                refuse_our_ids(one, depth + 1)
