"""The health document as a small page for people. No script, no outside resource, everything escaped."""

from __future__ import annotations

from html import escape

from phantom.health import ChannelReport, HealthReport

_STYLE = """
:root{color-scheme:light dark;--ok:#18794e;--bad:#cd2b31;--line:#8884;--dim:#8889}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem;margin:0 0 .2rem}p.sum{margin:0 0 1.4rem;color:var(--dim)}
.ok{color:var(--ok)}.bad{color:var(--bad)}
table{border-collapse:collapse;width:100%;margin:0 0 1.4rem}
th,td{text-align:left;padding:.45rem .7rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;white-space:nowrap}.cure{font-weight:600}
"""


def render_page(report: HealthReport) -> str:
    """A whole HTML page."""
    mood = '<span class="ok">healthy</span>' if report.ok else '<span class="bad">unhealthy</span>'
    rows = "".join(_row(channel, report.now) for channel in report.channels)
    if not rows:
        rows = '<tr><td colspan="5">No channel is configured. Run <code>phantom init</code>.</td></tr>'
    warnings = "".join(f"<li>{escape(text)}</li>" for text in report.warnings)
    journal = f'<span class="bad">{escape(report.journal_fault)}</span>' if report.journal_fault else "writing"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.name)} health</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(report.name)} is {mood}</h1>"
        f'<p class="sum">Phantom {escape(report.version)}, up {_span(report.now - report.started_at)},'
        f" agent {escape(report.agent)}</p>"
        "<table><tr><th>channel<th>state<th>last event<th>restarts<th>what to do</tr>"
        f"{rows}</table>"
        f"<table><tr><th>journal<td>{journal}, {report.backlog} waiting</tr>"
        f"<tr><th>turns<td>{escape(report.turns_state)}, {report.turns_running} running{_turns(report)}</tr>"
        f"{_bridge(report)}<tr><th>event loop<td>{report.loop_lag * 1000:.1f} ms late</tr></table>"
        f"{'<ul>' + warnings + '</ul>' if warnings else ''}</html>"
    )


def _turns(report: HealthReport) -> str:
    trouble = report.turns_trouble
    if trouble is None:
        return ""
    return f'<br><span class="bad">{escape(trouble.message)}</span><br><b>{escape(trouble.hint)}</b>'


def _bridge(report: HealthReport) -> str:
    bridge = report.bridge
    if bridge is None:
        return ""
    mark = "ok" if bridge.ok else "bad"
    apps = bridge.facts.get("apps", [])
    count = len(apps) if isinstance(apps, list) else 0
    said = f"{escape(bridge.state)}, {count} app(s) {escape(bridge.trouble)} {escape(bridge.cure)}"
    return f'<tr><th>bridge<td class="{mark}">{said}</tr>'


def _row(channel: ChannelReport, now: float) -> str:
    health = channel.health
    last = "none yet" if health.last_event_at is None else f"{_span(now - health.last_event_at)} ago"
    mark = "ok" if health.ok else "bad"
    return (
        f'<tr><th>{escape(channel.name)}<td class="{mark}">{escape(health.state)}<br>{escape(health.detail)}'
        f'<td>{last}<td>{channel.restarts}<td class="cure">{escape(health.cure)}</tr>'
    )


def _span(seconds: float) -> str:
    seconds = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
