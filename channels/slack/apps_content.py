"""What an app wants said, made safe to post: mass mentions broken, Phantom's own ids refused. Pure.

Unless the app says `allowMassMentions`, nothing in a message notifies a whole channel or a user group: `<!channel>`,
`<!here>`, `<!everyone>`, `<!subteam^S…>` and their bare and rich forms are shown and ping nobody. Mentions of single
people stay: an app names people so. An id that begins with `phantom_` would make a press look as if Phantom had asked
for it (an approval, say), so no block of an app may have one.
What does *not* live here: limits of texts and blocks (`apps_catalogue_params.py`, and Slack itself).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from channels.slack.apps_interaction_shape import OURS
from channels.slack.apps_refusals import invalid
from channels.slack.apps_shapes import JSON
from channels.slack.markup import ZERO_WIDTH, native, without_bare

Params = Mapping[str, Any]

_MASS = re.compile(r"<(?=\s*!\s*(?:channel|here|everyone|group|subteam)\b)", re.IGNORECASE)
_ONE = re.compile(r"<[@#]([UWCDGB][A-Z0-9]+)")
_IDS = frozenset({"action_id", "block_id", "callback_id"})
_AS_IT_IS = frozenset({"type", "value", "name", "style", "language"})
"""Keys whose texts are shown to nobody, or name something."""
_DEPTH = 40


def spoken(params: Params) -> JSON:
    """`text` and `blocks` of a message, as the Web API takes them."""
    loud = params.get("allowMassMentions") is True
    found: JSON = {"link_names": False, "parse": "none"}
    if "text" in params:
        found["text"] = params["text"] if loud else mrkdwn(params["text"])
    if "blocks" in params:
        found["blocks"] = blocks(params["blocks"], loud=loud)
    return found


def blocks(given: list[Any], *, loud: bool) -> list[Any]:
    """Blocks with every mass mention broken, unless `loud`. Raises `ActionRefused` for Phantom's own ids."""
    found: list[Any] = _safe(given, 0, loud=loud)
    return found


def mrkdwn(text: str) -> str:
    """Slack's own markup without mass mentions."""
    return without_bare(_MASS.sub(f"&lt;{ZERO_WIDTH}", text))


def not_ours(name: str, value: str) -> str:
    """`value` itself. Raises `ActionRefused` when it is one of Phantom's ids."""
    if value.startswith(OURS):
        raise invalid(f"`{name}`: ids that begin with {OURS} are Phantom's own", "give it another name")
    return value


def _safe(node: Any, depth: int, *, loud: bool) -> Any:
    if depth > _DEPTH:
        raise invalid("`blocks`: nested too deeply")
    if isinstance(node, list):
        return [_safe(one, depth + 1, loud=loud) for one in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if not loud and kind in ("broadcast", "usergroup"):
        return {"type": "text", "text": f"@{ZERO_WIDTH}{node.get('range') or 'group'}"}
    return {name: _value(name, value, kind, depth, loud=loud) for name, value in node.items()}


def _value(name: str, value: Any, kind: object, depth: int, *, loud: bool) -> Any:
    if not isinstance(value, str):
        return _safe(value, depth + 1, loud=loud)
    if name in _IDS:
        return not_ours(name, value)
    if loud or kind == "plain_text" or name in _AS_IT_IS or name.endswith(("_id", "url")):
        return value
    if kind == "text":  # plain words in rich text
        return _MASS.sub(f"<{ZERO_WIDTH}", value)
    if kind == "markdown":
        return without_bare(native(value, frozenset(_ONE.findall(value))))
    return mrkdwn(value)
