"""What `phantom config explain` says, as rows. Asks no network; printing is the command's business."""

from __future__ import annotations

from dataclasses import dataclass

from config.loader import LoadedConfig
from config.secret_names import known
from config.secret_store import SecretStore
from phantom.errors import SecretError
from phantom.settings import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRow:
    """One setting: `setting` is its path, `value` is fit for print, `source` says where the value came from."""

    setting: str
    value: str
    source: str


NOT_SET = "not set"
BELOW = "secret."
"""How the rows of secrets begin."""


def explain(loaded: LoadedConfig, *, every_secret: bool = False) -> tuple[ExplainRow, ...]:
    """A row for each setting in order, one for each secret by its name, then one for each channel that is off. Of the
    secrets that are not set only those that the deployment declares, unless `every_secret`.
    """
    rows = [_row(origin) for origin in loaded.origins]
    # Beyond the list there are names of the configuration's own: those of webhook endpoints.
    names = known() | {one.secret.name for one in loaded.secrets.holdings() if one.given is None}
    secrets = [_secret(loaded.secrets, name) for name in sorted(names) if not name.endswith("_previous")]
    declared = {BELOW + name for name in loaded.secret_rules.declare}
    rows += [row for row in secrets if every_secret or row.value != NOT_SET or row.setting in declared]
    rows += [ExplainRow(setting=name, value="off", source="enabled: false") for name in loaded.disabled]
    rows += [
        ExplainRow(setting=channel.name, value=f"off: {channel.error}", source="an error in its settings")
        for channel in loaded.channels.values()
        if channel.error is not None
    ]
    return tuple(rows)


def _secret(store: SecretStore, name: str) -> ExplainRow:
    """Where the secret comes from, or was looked for: precedence is the order of what is named there."""
    looked = f"looked at {', '.join(store.looked_at(name))}"
    setting = BELOW + name
    try:
        found = store.find(name)
        if found is None:
            return ExplainRow(setting=setting, value=NOT_SET, source=looked)
        gave = next((one.source for one in store.holdings() if one.secret is found), "")
        found.peek()
    except SecretError as error:
        if store.why_unfit(name):
            return ExplainRow(setting=setting, value=f"not valid: {error.message}", source=looked)
        return ExplainRow(setting=setting, value="asked when used", source=looked)
    return ExplainRow(setting=setting, value="set", source=f"{gave}; {looked}")


def _row(origin: Origin) -> ExplainRow:
    return ExplainRow(setting=origin.path, value=origin.shown, source=origin.source)
