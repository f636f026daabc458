"""Turns what went wrong with a model into a `Failed` event: one sentence for the chat, one cure for the operator.

The only place that reads pydantic-ai's error classes. Response bodies are never used: they echo prompts and, from
some servers, the key.
"""

from __future__ import annotations

import re

from pydantic_ai import exceptions

from phantom.agent import Failed
from phantom.agents.model_choice import ModelChoice
from phantom.errors import PhantomError

_CODE = re.compile(r"[a-z][a-z_.]{1,47}")

_Row = tuple[type[Exception], str, str, bool]

# First match wins, so a subclass stands above its base.
_ROWS: tuple[_Row, ...] = (
    (
        exceptions.ModelAuthenticationError,
        "I cannot answer: my language model refused my credentials. Whoever runs me has to fix that.",
        "the key was refused: check {key} and that its account may use {model}",
        False,
    ),
    (
        exceptions.ModelNotFoundError,
        "I cannot answer: the language model I am set to use does not exist. Whoever runs me has to fix that.",
        "{host} has no model {model}: check PHANTOM_MODEL",
        False,
    ),
    (
        exceptions.ModelQuotaExceededError,
        "I cannot answer: my language model account is out of credit. Whoever runs me has to fix that.",
        "the account behind {key} has no credit or quota left",
        False,
    ),
    (
        exceptions.ModelRateLimitError,
        "My language model is getting too many requests. Please try again {when}.",
        "rate limit of {host} reached{after}",
        True,
    ),
    (
        exceptions.ModelContextWindowExceededError,
        "This conversation is too long for my language model. Start a new one, or send me less at once.",
        "the context window of {model} is exceeded",
        False,
    ),
    (
        exceptions.ModelRequestRejectedError,
        "My language model did not accept this request. Try to say it differently, or without the attachment.",
        "{host} rejected the request for {model}",
        False,
    ),
    (
        exceptions.ModelUnavailableError,
        "My language model is overloaded right now. Please try again {when}.",
        "{host} is overloaded or unavailable{after}",
        True,
    ),
    (
        exceptions.ModelServerError,
        "My language model had an internal error. Please try again {when}.",
        "{host} failed",
        True,
    ),
    (
        exceptions.ModelTimeoutError,
        "My language model took too long to answer. Please try again.",
        "no answer from {host} within the timeout",
        True,
    ),
    (
        exceptions.ModelRequestTimeout,
        "My language model took too long to answer. Please try again.",
        "no answer from {host} within the timeout",
        True,
    ),
    (
        exceptions.ModelConnectionError,
        "I cannot reach my language model. Please try again {when}.",
        "no connection to {host}: check the network, the proxy and PHANTOM_MODEL_BASE_URL",
        True,
    ),
    (
        exceptions.ContentFilterError,
        "My language model declined to answer this.",
        "the provider's content filter stopped the answer of {model}",
        False,
    ),
    (
        exceptions.UsageLimitExceeded,
        "I stopped because this needed too many steps. Try to ask for less at once.",
        "the run of {model} reached its request limit",
        False,
    ),
    (
        exceptions.UnexpectedModelBehavior,
        "My language model gave an answer I could not use. Please try again.",
        "{model} answered outside its protocol, or kept calling a tool wrongly",
        True,
    ),
    (
        exceptions.ModelAPIError,
        "I could not get an answer from my language model. Please try again {when}.",
        "the request to {host} failed",
        True,
    ),
)

KNOWN = (exceptions.AgentRunError, exceptions.UserError, PhantomError)
"""What `failure` understands; anything else is a bug and belongs to the turn's own boundary."""


def failure(error: Exception, choice: ModelChoice) -> Failed:
    """`error` (one of `KNOWN`) as the turn's end."""
    if isinstance(error, PhantomError):
        return Failed(
            message="I cannot reach my language model right now. Whoever runs me has to look at my log.",
            hint=f"{error.code}: {error}",
            retryable=error.retryable,
        )
    for kind, message, hint, retryable in _ROWS:
        if isinstance(error, kind):
            wait = getattr(error, "retry_after", None)
            facts = {
                "model": choice.name,
                "host": choice.host,
                "key": choice.provider.variable or "the key",
                "when": f"in {_seconds(wait)}" if wait else "in a moment",
                "after": f", it asks for {_seconds(wait)}" if wait else "",
            }
            return Failed(
                message=message.format(**facts), hint=hint.format(**facts) + _code(error), retryable=retryable
            )
    return Failed(
        message="I am set up wrongly and cannot answer. Whoever runs me has to look at my log.",
        hint=f"the agent behind {choice.name} is misconfigured: {type(error).__name__}",
    )


def _code(error: Exception) -> str:
    """Status and the provider's short error word, when it looks like one (a key never does: it has digits)."""
    parts = [f"HTTP {error.status_code}"] if isinstance(error, exceptions.ModelHTTPError) else []
    if isinstance(error, exceptions.ModelAPIError):
        for word in (error.provider_error_type, error.provider_error_code):
            if word and _CODE.fullmatch(word) and word not in parts:
                parts.append(word)
    return f" ({', '.join(parts)})" if parts else ""


def _seconds(wait: float) -> str:
    whole = max(1, round(wait))
    return "1 second" if whole == 1 else f"{whole} seconds"
