"""From the parameters of an app's action to the body of a call to Discord. Pure.

Nobody is pinged unless the app says so: without `allowedMentions`, none. What does *not* live here: checking the
parameters (`apps_catalogue_params.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from channels.discord.apps_refusals import invalid
from channels.discord.decode import JSON
from channels.discord.dress import nonce

Params = Mapping[str, Any]

EPHEMERAL = 1 << 6
_SAME = ("content", "embeds", "components", "flags")
_NOBODY: JSON = {"parse": [], "replied_user": False}


def message(params: Params, *, key: str = "") -> JSON:
    """A message to post or to edit. With a `key`, Discord gives the first post back when it comes again."""
    found: JSON = {name: params[name] for name in _SAME if name in params}
    if "stickerIds" in params:
        found["sticker_ids"] = params["stickerIds"]
    found["allowed_mentions"] = allowed_mentions(params.get("allowedMentions"))
    if key:
        found |= {"nonce": nonce(f"app/{key}"), "enforce_nonce": True}
    return found


def allowed_mentions(given: Mapping[str, Any] | None) -> JSON:
    """Whom to ping; both spellings of the last member are taken."""
    if given is None:
        return dict(_NOBODY)
    found = {name: given[name] for name in ("parse", "users", "roles") if name in given}
    found.setdefault("parse", [])
    found["replied_user"] = given.get("replied_user", given.get("repliedUser", False)) is True
    return found


def answer(params: Params) -> JSON:
    """A message that answers an interaction, for one person alone if `ephemeral`."""
    found = message(params)
    if params.get("ephemeral") is True:
        found["flags"] = int(found.get("flags") or 0) | EPHEMERAL
    return found


def emoji(given: str) -> str:
    """An emoji as an address names it: the character, or `name:id`. Taken are also `<:name:id>`, `a:name:id` and what
    is percent-encoded already.
    """
    plain = unquote(given) if "%" in given else given
    plain = plain.strip().removeprefix("<").removesuffix(">").removeprefix("a:").removeprefix(":")
    if not plain or "/" in plain or len(plain) > 100:
        raise invalid("`emoji`: is no emoji", "give the character itself, or name:id of a server's own")
    return plain


def reason(params: Params) -> str | None:
    """What the server's audit log is to say, None for nothing."""
    given = params.get("reason")
    return given if isinstance(given, str) and given.strip() else None
