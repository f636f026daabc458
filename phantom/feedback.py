"""The three rating buttons under an answer, and what a press of them means."""

from __future__ import annotations

from phantom.events import Rating
from phantom.messages import Button

LABELS = {
    Rating.HELPFUL: "Helpful",
    Rating.NOT_HELPFUL: "Not helpful",
    Rating.PARTLY: "Could be better",
}


def feedback_buttons(turn: str) -> tuple[Button, ...]:
    """Helpful, Not helpful, Could be better; the value names the turn."""
    return tuple(Button(action=f"feedback:{rating.value}", label=label, value=turn) for rating, label in LABELS.items())
