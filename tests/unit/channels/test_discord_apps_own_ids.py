"""No app may post a component that would be taken for one of Phantom's."""

from __future__ import annotations

from typing import Any

import pytest

from channels.discord.apps_own_ids import refuse_our_ids
from phantom.apps import ActionRefused

FORGED = {"type": 2, "custom_id": "phantom_button:turn:approve"}


@pytest.mark.parametrize(
    "params",
    [
        {"components": [{"type": 1, "components": [FORGED]}]},
        {"customId": "phantom_ask_modal", "title": "x"},
        {"method": "send_message", "args": ["1", {"components": [{"components": [FORGED]}]}]},
    ],
)
def test_forged_ids_are_refused(params: Any) -> None:
    with pytest.raises(ActionRefused) as refused:
        refuse_our_ids(params)
    assert refused.value.bridge_code == "INVALID_REQUEST"


def test_an_apps_own_ids_pass() -> None:
    refuse_our_ids({"components": [{"components": [{"custom_id": "vote:yes"}]}], "content": "phantom_button"})
