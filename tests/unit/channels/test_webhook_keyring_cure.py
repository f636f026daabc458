"""What an operator is told to do when an endpoint has no secret: another thing than when the secret's source fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from channels.webhook.keyring import Keyring, Slot
from phantom.errors import AuthError, SecretError
from phantom.secret_sources import ABSENT
from phantom.secrets import Listener, Secret
from phantom.testing.manual_clock import ManualClock


class Failing:
    """A source that has nothing to give."""

    def __init__(self, error: SecretError) -> None:
        self.error = error

    def current(self) -> str:
        raise self.error

    def previous(self) -> str | None:
        return None

    async def refresh(self) -> bool:
        raise self.error

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return lambda: None


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (SecretError("the command ended with status 1"), "mend the source"),
        (SecretError("HTTP 403", hint="let it read"), "let it read"),
        (SecretError("is not set", code=ABSENT), "set WEBHOOK_SECRET_DEFAULT: make one"),
    ],
)
async def test_a_fresh_secret_is_no_cure_for_a_source_that_fails(error: SecretError, cure: str) -> None:
    secret = Secret("webhook_secret_default", Failing(error))
    keyring = Keyring((Slot(name="default", where="WEBHOOK_SECRET_DEFAULT", secret=secret),), ManualClock())
    with pytest.raises(AuthError) as refused:
        await keyring.prove()
    assert refused.value.hint.startswith(cure)
