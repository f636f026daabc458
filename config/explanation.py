"""What `phantom config explain` says, as rows. Pure; printing is the command's business."""

from __future__ import annotations

from dataclasses import dataclass

from config.loader import LoadedConfig
from phantom.settings import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRow:
    """One setting: `setting` is its path, `value` is fit for print, `source` says where the value came from."""

    setting: str
    value: str
    source: str


def explain(loaded: LoadedConfig) -> tuple[ExplainRow, ...]:
    """A row for each setting in order, then one for each channel that is off and why."""
    rows = [_row(origin) for origin in loaded.origins]
    rows += [ExplainRow(setting=name, value="off", source="enabled: false") for name in loaded.disabled]
    rows += [
        ExplainRow(setting=channel.name, value=f"off: {channel.error}", source="an error in its settings")
        for channel in loaded.channels.values()
        if channel.error is not None
    ]
    return tuple(rows)


def _row(origin: Origin) -> ExplainRow:
    return ExplainRow(setting=origin.path, value=origin.shown, source=origin.source)
