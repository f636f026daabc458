"""What went to the daemon and what it called, as the rows behind the scenes."""

from __future__ import annotations

from phantom.dev.side import ENTRIES, JSON, Tell
from phantom.dev.slack import shapes
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.deliveries import Delivery


class Record:
    """`told` sends one change to the pages."""

    def __init__(self, slack: FakeSlack) -> None:
        self._slack = slack
        self._calls: list[ApiCall] = []
        self.told: Tell = lambda what: None

    def entries(self) -> list[JSON]:
        """The newest deliveries and calls."""
        held = self._slack.delivered.held
        entries = [shapes.delivery(one, held=one in held) for one in self._slack.delivered.all[-ENTRIES:]]
        first = max(0, len(self._calls) - ENTRIES)
        return entries + [shapes.call(first + n, one) for n, one in enumerate(self._calls[first:])]

    def called(self, call: ApiCall) -> JSON:
        """A new call, as its change."""
        self._calls.append(call)
        return {"what": "entry", "entry": shapes.call(len(self._calls) - 1, call)}

    def delivered(self, one: Delivery) -> JSON:
        """A delivery's state, as its change."""
        return {"what": "entry", "entry": shapes.delivery(one, held=one in self._slack.delivered.held)}

    def tell(self, one: Delivery) -> None:
        """Send a delivery's state, which the feed does not announce when it is released."""
        self.told(self.delivered(one))

    def delivery(self, key: str) -> Delivery:
        """The delivery of an entry; KeyError when there is none."""
        for one in self._slack.delivered.all:
            if f"d{one.id}" == key:
                return one
        raise KeyError(key)

    def details(self, key: str) -> JSON:
        """The whole of one entry: payload and answer of a delivery, arguments of a call."""
        if key.startswith("c") and key[1:].isdecimal() and int(key[1:]) < len(self._calls):
            return {"arguments": self._calls[int(key[1:])].args}
        one = self.delivery(key)
        found: JSON = {"payload": one.payload}
        if one.response is not None or one.response_text:
            found["answer"] = one.response if one.response is not None else one.response_text
        return found
