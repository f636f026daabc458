"""What posts are answered with. Pure. Every body is a JSON object; an error's `error` is for people, its status and
`field` for programs.
"""

from __future__ import annotations

from typing import Any

import orjson

from channels.webhook.request import BadRequest
from channels.webhook.task_records import ANSWERED, FAILED, REFUSED, Task
from phantom.webhooks import HttpAnswer

_RETRY = (("Retry-After", "5"),)


def _json(status: int, body: dict[str, Any], *, retry: bool = False) -> HttpAnswer:
    return HttpAnswer(status, orjson.dumps(body), headers=_RETRY if retry else ())


NOT_READY = _json(503, {"error": "webhook channel not ready"}, retry=True)
STORAGE = _json(503, {"error": "storage unavailable"}, retry=True)
BUSY = _json(503, {"error": "too many posts wait for their answer; use mode async"}, retry=True)
TOO_LARGE = _json(413, {"error": "payload too large"})
TIMEOUT = _json(408, {"error": "request timeout"})
UNAUTHORIZED = _json(
    401,
    {
        "error": "not signed with a secret of this endpoint, or not within 300 s of this server's clock",
        "headers": "webhook-id, webhook-timestamp and webhook-signature, or X-Webhook-Timestamp and"
        " X-Webhook-Signature: sha256=<hex>",
    },
)
"""One answer for all that is wrong with a signature: it tells a forger nothing."""
CONFLICT = _json(
    409, {"error": "another question was sent under this id: take a fresh id for each, this one for retries"}
)
UNKNOWN_TASK = _json(404, {"error": "no such task at this endpoint"})

_STATUS = {ANSWERED: 200, FAILED: 502, REFUSED: 403}


def bad_request(error: BadRequest) -> HttpAnswer:
    """400 for what is no JSON object, 422 for one that says something else than it may."""
    body = {"error": error.what}
    return _json(error.status, body | ({"field": error.field} if error.field else {}))


def accepted(task: Task) -> HttpAnswer:
    """202: the answer is called back, or fetched."""
    return _json(202, {"task": task.id, "status": task.state, "conversation": task.conversation})


def result(task: Task) -> HttpAnswer:
    """The answer to a post that waited: 200, 502 when the agent failed, 403 when the sender may not talk."""
    return _json(_STATUS.get(task.state, 200), _told(task))


def late(task: Task) -> HttpAnswer:
    """504: the deadline passed; the task goes on and its answer can be fetched."""
    return _json(
        504, {"error": f"no answer in time: post the task to /webhook/{task.endpoint}/tasks later", **_told(task)}
    )


def fetched(task: Task) -> HttpAnswer:
    """200 with the answer, whatever it is; 202 while there is none."""
    return _json(200 if task.settled else 202, _told(task))


def _told(task: Task) -> dict[str, Any]:
    body: dict[str, Any] = {"task": task.id, "status": task.state, "conversation": task.conversation}
    if task.settled:
        body["text"] = task.text
    elif task.notice:
        body["notice"] = task.notice
    if task.callback:
        body["callback"] = task.callback
    return body
