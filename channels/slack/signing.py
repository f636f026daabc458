"""The secrets that posts must be signed with, as they are now, and which of them posts are signed with.

What does *not* live here: signature arithmetic (`verify.py`), and when the secrets are asked for (`http_receiver.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from phantom.channel import Meter
from phantom.errors import MetadataError, SecretError
from phantom.secrets import Secret

VERIFIED = "phantom_slack_verified_total"
MIN_CHARS = 8
CURE = "copy it again, whole"


def usable(text: str) -> bool:
    """Whether anything may be verified with it: a text of a few characters would let those in who try them all."""
    return len(text.strip()) >= MIN_CHARS


class Signing:
    """`secrets`: the one that must be there, then the one that is accepted beside it, if any."""

    def __init__(self, secrets: Sequence[Secret], meter: Meter) -> None:
        self._secrets = tuple(secrets)
        self._count = {value: meter.counter(VERIFIED, secret=value) for value in ("current", "previous")}
        self._uses: list[tuple[Callable[[], None], Callable[[], None]]] = []

    def plaintexts(self) -> Sequence[str]:
        """Every text that is accepted, the current one first. Raises `SecretError` when there is no current secret, or
        none is fit.
        """
        accepted: list[str] = []
        uses: list[tuple[Callable[[], None], Callable[[], None]]] = []
        for number, secret in enumerate(self._secrets):
            try:
                texts = secret.candidates()
            except (SecretError, MetadataError):
                if number == 0:
                    raise
                continue  # the one beside it may be retired at any time
            for place, text in enumerate(texts):
                if usable(text):
                    accepted.append(text)
                    uses.append((self._count["previous" if number or place else "current"], secret.used))
        if not accepted:
            raise SecretError(f"{self._secrets[0].name} is too short to be a signing secret", hint=CURE)
        self._uses = uses
        return accepted

    def matched(self, place: int) -> None:
        """A post was signed with the text at that place of what `plaintexts` gave last."""
        count, used = self._uses[place]
        count()
        used()

    async def refresh(self) -> bool:
        """Read them at their origin; True when any changed. Raises `SecretError` or `MetadataError` for the first."""
        changed = False
        for secret in self._secrets:
            try:
                changed = await secret.refresh() or changed
            except (SecretError, MetadataError):
                if secret is self._secrets[0]:
                    raise
        return changed
