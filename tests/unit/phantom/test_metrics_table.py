"""The metrics table and the meter that fills it: a wrong name or label is an error, a scrape shows what was counted."""

from __future__ import annotations

import re

import pytest

from phantom.metrics import METRICS, PrometheusMeter, render_reference


def test_names_are_prometheus_names_and_documented() -> None:
    page = render_reference()
    assert len({spec.name for spec in METRICS}) == len(METRICS)
    for spec in METRICS:
        assert re.fullmatch(r"phantom_[a-z_]+", spec.name)
        assert (spec.kind == "counter") == spec.name.endswith("_total")
        assert spec.help.endswith(".")
        assert bool(spec.buckets) == (spec.kind == "histogram")
        assert f"`{spec.name}`" in page


def test_what_is_counted_is_shown() -> None:
    meter = PrometheusMeter()
    for _ in range(3):
        meter.count("phantom_events_total", channel="slack", outcome="accepted")
    meter.gauge("phantom_turns_running", 2)
    meter.observe("phantom_turn_seconds", 0.2, outcome="final")
    meter.on_scrape(lambda: meter.gauge("phantom_journal_backlog", 7))
    text = meter.render().decode()
    assert 'phantom_events_total{channel="slack",outcome="accepted"} 3.0' in text
    assert "phantom_turns_running 2.0" in text
    assert 'phantom_turn_seconds_count{outcome="final"} 1.0' in text
    assert "phantom_journal_backlog 7.0" in text
    assert meter.value("phantom_events_total", channel="slack", outcome="accepted") == 3
    assert meter.value("phantom_events_total", channel="slack", outcome="never") == 0


def test_label_values_are_escaped() -> None:
    meter = PrometheusMeter()
    meter.count("phantom_events_total", channel="slack", outcome='a"b\nc')
    assert r'outcome="a\"b\nc"' in meter.render().decode()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("phantom_events_total", {"outcome": "x", "channel": "slack"}),
        ("phantom_events_total", {"channel": "slack"}),
        ("phantom_turns_running", {}),
    ],
)
def test_a_wrong_use_is_an_error(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=name):
        PrometheusMeter().count(name, 1, **labels)
    with pytest.raises(KeyError):
        PrometheusMeter().count("phantom_nothing_total")
