"""What is generated from the settings models, and that it is complete and current."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from channels.discord.settings import DiscordSettings
from channels.slack.settings import SlackSettings
from config import PhantomSettings, render_reference
from config.fields import fields_of
from phantom.secrets import Secret
from phantom.settings import Env, SecretField

ROOT = Path(__file__).parents[3]


class Sample(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    mode: Annotated[Literal["a", "b"] | None, Env("SAMPLE_MODE", also=("OLD_MODE",))] = Field(
        default=None, description="Either | or."
    )
    people: list[str] = Field(default_factory=list, description="Who.")
    token: Annotated[Secret | None, SecretField("sample_token"), Env("SAMPLE_TOKEN")] = Field(
        default=None, description="The token."
    )
    count: int = Field(description="How many.")


def test_a_row_for_every_field() -> None:
    text = render_reference({"sample": Sample})
    assert "| `mode` | `SAMPLE_MODE`, `OLD_MODE` | `a` or `b` | not set | Either \\| or. |" in text
    assert "| `people` | - | list of text | not set | Who. |" in text
    assert "| `token` | `SAMPLE_TOKEN` | secret `sample_token` | not set | The token. |" in text
    assert "| `count` | - | whole number | required | How many. |" in text
    for one in fields_of(PhantomSettings):
        assert f"| `{one.name}` |" in text
    assert "| `port` | `PORT`, `PHANTOM_PORT` | whole number | `3100` |" in text


def test_every_setting_is_explained_and_has_a_variable_of_its_own() -> None:
    fields = [*fields_of(PhantomSettings), *fields_of(SlackSettings), *fields_of(DiscordSettings)]
    variables = [name for one in fields for name in one.variables]
    assert len(variables) == len(set(variables))
    for one in fields:
        assert one.variables, one.name
        assert one.info.description, one.name
