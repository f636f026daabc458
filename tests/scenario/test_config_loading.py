"""The whole of `config.load` on real files: who wins, what is told, and that one bad channel stops only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

import config
from config import ChannelConfig, LoadedConfig
from phantom.clock import SystemClock
from phantom.errors import EX_CONFIG, ConfigError, SecretError
from phantom.secrets import Secret
from phantom.settings import Env, SecretField

PASTED = "xoxb-pasted-into-the-wrong-place"


class Nested(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = 1


class ChatSettings(BaseModel):
    """A channel's settings as a plugin would write them."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    mode: Annotated[Literal["push", "pull"], Env("CHAT_MODE")] = "pull"
    token: Annotated[Secret | None, SecretField("test_chat_token"), Env("CHAT_TOKEN")] = None
    people: Annotated[tuple[str, ...], Env("CHAT_PEOPLE", also=("CHAT_USERS",))] = ()
    limit: Annotated[int, Env("CHAT_LIMIT")] = Field(default=3, ge=1)
    room: Annotated[str, Env("CHAT_ROOM")] = ""
    nested: Nested = Nested()

    @field_validator("room")
    @classmethod
    def _room(cls, value: str) -> str:
        if value.startswith("xoxb"):
            raise ValueError(f"{value} is a token, not a room")
        return value

    @model_validator(mode="after")
    def _together(self) -> ChatSettings:
        if self.room == "needs-token" and self.token is None:
            raise ValueError("a room needs a token; set CHAT_TOKEN")
        if self.room == "reveals" and self.token is not None:
            raise ValueError(f"cannot use {self.token.reveal()} there")
        return self


class PostSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    key: Annotated[Secret, SecretField("test_post_key"), Env("POST_KEY")]
    address: str


Load = Callable[..., LoadedConfig]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def _load(
        environ: Mapping[str, str] | None = None,
        *,
        core: str = "",
        channels: str = "",
        dotenv: str = "",
        models: Mapping[str, type[BaseModel]] | None = None,
    ) -> LoadedConfig:
        for name, text in (("phantom.yaml", core), ("channels.yaml", channels), (".env", dotenv)):
            if text:
                (tmp_path / name).write_text(text)
                (tmp_path / name).chmod(0o600)
        return config.load(
            config_dir=None,
            environ=environ or {},
            cwd=tmp_path,
            channel_models=models or {"chat": ChatSettings, "post": PostSettings},
            clock=SystemClock(),
            enabled_by={"chat": ("CHAT_TOKEN", "CHAT_MODE"), "post": ("POST_KEY",)},
        )

    return _load


def chat(loaded: LoadedConfig, name: str = "chat") -> ChatSettings:
    section = loaded.channels[name]
    assert section.error is None, section.error
    assert isinstance(section.settings, ChatSettings)
    return section.settings


def fault(loaded: LoadedConfig, name: str = "chat") -> ConfigError:
    section = loaded.channels[name]
    assert section.error is not None
    assert section.settings is None
    assert PASTED not in str(section.error)
    assert PASTED not in repr(loaded)
    assert all(PASTED not in repr(row) for row in config.explain(loaded))
    return section.error


def source_of(loaded: LoadedConfig, path: str) -> tuple[str, str]:
    row = next(row for row in config.explain(loaded) if row.setting == path)
    return row.value, row.source


def test_defaults_need_nothing(load: Load, tmp_path: Path) -> None:
    loaded = load()
    assert loaded.core.port == 3100
    assert loaded.core.host == "127.0.0.1"
    assert loaded.core.data_dir == tmp_path / "data"
    assert loaded.channels == {}
    assert loaded.files == ()
    assert source_of(loaded, "port") == ("3100", "default")


def test_the_order_environment_dotenv_file_default(load: Load, tmp_path: Path) -> None:
    core = "name: from-file\nmodel: from-file\nport: 1\n"
    dotenv = "PHANTOM_NAME=from-dotenv\nPHANTOM_MODEL=from-dotenv\n"
    loaded = load({"PHANTOM_NAME": "from-env", "PORT": ""}, core=core, dotenv=dotenv)
    assert (loaded.core.name, loaded.core.model, loaded.core.port) == ("from-env", "from-dotenv", 1)
    assert source_of(loaded, "name") == ("from-env", "env PHANTOM_NAME")
    assert source_of(loaded, "model") == ("from-dotenv", ".env PHANTOM_MODEL")
    assert source_of(loaded, "port") == ("1", f"file {tmp_path / 'phantom.yaml'}: port")
    assert loaded.files == (tmp_path / "phantom.yaml", tmp_path / ".env")
    assert loaded.config_dir == tmp_path


@pytest.mark.parametrize("how", ["environment", "file"])
def test_production_ignores_dotenv(load: Load, how: str) -> None:
    environ = {"PHANTOM_ENV": "Production"} if how == "environment" else {}
    loaded = load(environ, core="env: production" if how == "file" else "", dotenv="PHANTOM_NAME=never")
    assert loaded.core.env == "production"
    assert loaded.core.name == "phantom"


def test_names_that_users_know(load: Load) -> None:
    environ = {
        "PORT": "0",
        "PHANTOM_METADATA_URL": "",
        "METADATA_BASE_URL": "http://127.0.0.1:9/",
        "LOG_LEVEL": "DEBUG",
    }
    loaded = load(environ)
    assert (loaded.core.port, loaded.core.metadata_url) == (0, "http://127.0.0.1:9")
    assert loaded.core.log_level == "debug"


def test_wrong_core_settings_are_told_all_at_once(load: Load, tmp_path: Path) -> None:
    with pytest.raises(config.ConfigErrors) as caught:
        load(
            {"PORT": PASTED, "PHANTOM_AGENT": f"{PASTED}", "PHANTOM_METADATA_URL": f"http://u:{PASTED}@x"},
            core=f"nmae: x\ndrain_seconds: -1\nuvloop: {PASTED}\nname: ${{NOT_SET}}\n"
            f"secret_source: {PASTED}\nhost: 7\n",
        )
    file = tmp_path / "phantom.yaml"
    found = {error.where: error for error in caught.value.errors}
    assert set(found) == {
        f"{file}: nmae",
        "PORT",
        "PHANTOM_AGENT",
        "PHANTOM_METADATA_URL",
        f"{file}: drain_seconds",
        f"{file}: uvloop",
        f"{file}: name",
        f"{file}: secret_source",
        f"{file}: host",
    }
    assert found[f"{file}: nmae"].hint == "did you mean name?"
    assert found["PORT"].message == "must be a whole number"
    assert found[f"{file}: secret_source"].message == "must be 'env', 'metadata', 'file' or 'exec'"
    assert PASTED not in str(caught.value)
    assert EX_CONFIG == 78


def test_one_error_is_raised_as_itself(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"PORT": "70000"})
    assert caught.value.where == "PORT"
    assert not isinstance(caught.value, config.ConfigErrors)


def test_a_channel_from_the_environment_alone(load: Load) -> None:
    loaded = load({"CHAT_TOKEN": "  chat-token-1\n", "CHAT_USERS": "U1, U2 U3", "CHAT_LIMIT": "7"})
    settings = chat(loaded)
    assert settings.token is not None
    assert settings.token.reveal() == "chat-token-1"
    assert settings.people == ("U1", "U2", "U3")
    assert settings.limit == 7
    assert source_of(loaded, "chat.token") == ("set (env CHAT_TOKEN)", "env CHAT_TOKEN")
    assert source_of(loaded, "chat.people") == ("U1, U2, U3", "env CHAT_USERS")
    assert loaded.secrets.secret("test_chat_token") is settings.token
    assert settings.token in loaded.secrets.known()
    assert "chat-token-1" not in repr(loaded)
    assert all("chat-token-1" not in repr(row) for row in config.explain(loaded))


def test_a_channel_from_the_file(load: Load, tmp_path: Path) -> None:
    loaded = load(
        {"TOKEN_OF_TEAM": "chat-token-2", "PEOPLE": "U1,U2"},
        channels="chat:\n  token: ${TOKEN_OF_TEAM}\n  people: ${PEOPLE}\n  mode: push\n  nested: {limit: 4}\n  room:\n",
    )
    settings = chat(loaded)
    assert settings.token is not None
    assert settings.token.reveal() == "chat-token-2"
    assert settings.people == ("U1", "U2")
    assert (settings.mode, settings.nested.limit, settings.room) == ("push", 4, "")
    where = f"{tmp_path / 'channels.yaml'}: chat"
    assert source_of(loaded, "chat.token") == (f"set (file {where}.token)", f"file {where}.token")
    assert source_of(loaded, "chat.mode") == ("push", f"file {where}.mode")


def test_a_section_alone_switches_a_channel_on_and_enabled_false_off(load: Load) -> None:
    loaded = load({"CHAT_TOKEN": "chat-token-1"}, channels="chat:\n  enabled: false\npost:\n  enabled: ${ON:-no}\n")
    assert loaded.disabled == ("chat",)
    assert fault(loaded, "post").where.endswith("post.enabled")
    assert source_of(loaded, "chat") == ("off", "enabled: false")
    (Path(loaded.config_dir or ".") / "channels.yaml").write_text("chat:\n")
    assert chat(load()).mode == "pull"


def test_one_bad_section_disables_that_channel_only(load: Load, tmp_path: Path) -> None:
    loaded = load(
        {"POST_KEY": "post-key-1"},
        channels=f"chat:\n  mode: {PASTED}\n  peple: []\n  room: {PASTED}\n  nested: {{limit: a, more: 1}}\n"
        "post: {address: here}\nunknown: {}\n3d: {}\nlist: []\n",
    )
    assert loaded.channels["post"].error is None
    error = fault(loaded)
    assert isinstance(error, config.ConfigErrors)
    where = f"{tmp_path / 'channels.yaml'}: chat"
    assert {single.where for single in error.errors} == {
        f"{where}.mode",
        f"{where}.peple",
        f"{where}.room",
        f"{where}.nested.limit",
        f"{where}.nested.more",
    }
    assert "did you mean people?" in str(error)
    assert "… is a token, not a room" in str(error)
    assert fault(loaded, "unknown").message == "unknown channel kind"
    assert fault(loaded, "unknown").hint == "known kinds: chat, post"
    assert "not a channel's name" in fault(loaded, "3d").message
    assert "holds a list" in fault(loaded, "list").message


def test_a_missing_setting_names_both_ways_to_set_it(load: Load, tmp_path: Path) -> None:
    error = fault(load(channels="post: {address: here}\n"), "post")
    assert error.where == f"{tmp_path / 'channels.yaml'}: post.key"
    assert str(error).endswith("is needed and not set (set POST_KEY, or write key into channels.yaml)")


@pytest.mark.parametrize(
    ("section", "path", "says"),
    [
        ("token: ${secret:test_chat_tokn}", ".token", "did you mean test_chat_token?"),
        ("token: ${secret:test_chat_token}", ".token", "secret test_chat_token is not set (set CHAT_TOKEN)"),
        (f"token: ${{secret:{PASTED}}}", ".token", "not a secret's name"),
        ("token: x${secret:test_chat_token}", ".token", "inside a longer text"),
        ("token: [1]", ".token", "must be text or a ${secret:NAME} reference"),
        ("token: '  '", ".token", "is empty"),
        ("room: ${NOT_SET}", ".room", "NOT_SET, which is not set"),
        ("people: [a, '${NOT_SET}']", ".people[1]", "NOT_SET, which is not set"),
        ("people: [1]", ".people[0]", "must be text"),
        ("room: needs-token", "", "a room needs a token; set CHAT_TOKEN"),
        ("limit: 0", ".limit", "must be greater than or equal to 1"),
        ("kind: 7", ".kind", "unknown channel kind"),
        ("kind: chatt", ".kind", "did you mean chat?"),
        ("enabled: maybe", ".enabled", "must be true or false"),
    ],
)
def test_every_fault_has_its_place_and_its_words(
    load: Load, tmp_path: Path, section: str, path: str, says: str
) -> None:
    error = fault(load(channels=f"chat:\n  {section}\n"))
    assert error.where == f"{tmp_path / 'channels.yaml'}: chat{path}"
    assert says in str(error)


def test_a_secret_in_a_setting_that_is_none(load: Load) -> None:
    error = fault(load({"CHAT_TOKEN": PASTED}, channels="chat:\n  room: ${secret:test_chat_token}\n"))
    assert error.message == "is not a secret setting"


def test_a_validator_cannot_leak_a_secret(load: Load) -> None:
    error = fault(load({"CHAT_TOKEN": PASTED, "CHAT_ROOM": "reveals"}))
    assert error.message == "cannot use … there"


def test_several_channels_of_a_kind(load: Load) -> None:
    loaded = load(
        {"CHAT_TOKEN": "chat-token-1", "WORK": "chat-token-2"},
        channels="chat: {}\nwork:\n  kind: chat\n  token: ${WORK}\n",
    )
    first, second = chat(loaded).token, chat(loaded, "work").token
    assert first is not None
    assert second is not None
    assert (first.reveal(), second.reveal()) == ("chat-token-1", "chat-token-2")
    assert loaded.channels["work"].kind == "chat"


def test_the_environment_fills_the_only_section_of_a_kind(load: Load) -> None:
    loaded = load({"CHAT_TOKEN": "chat-token-1"}, channels="work:\n  kind: chat\n")
    token = chat(loaded, "work").token
    assert list(loaded.channels) == ["work"]
    assert token is not None
    assert token.reveal() == "chat-token-1"


def test_a_model_is_asked_for_only_when_its_kind_is_on(load: Load) -> None:
    class Lazy(Mapping[str, Any]):
        def __getitem__(self, kind: str) -> Any:
            raise ConfigError("needs the module elsewhere", hint="pip install it")

        def __contains__(self, kind: object) -> bool:
            return kind in {"chat", "post"}

        def __iter__(self) -> Iterator[str]:
            return iter(["chat", "post"])

        def __len__(self) -> int:
            return 2

    assert load(models=Lazy()).channels == {}
    section: ChannelConfig = load({"CHAT_MODE": "push"}, models=Lazy()).channels["chat"]
    assert section.error is not None
    assert section.error.hint == "pip install it"


def test_slips_in_variable_names_are_noticed(load: Load) -> None:
    loaded = load({"PHANTOM_MODLE": PASTED, "PHANTOM_ENV": "development", "PATH": "/bin"}, dotenv="PHANTOM_XYZZY=1")
    assert loaded.notices == (
        "PHANTOM_MODLE is set, but no setting reads it (did you mean PHANTOM_MODEL?)",
        "PHANTOM_XYZZY is set, but no setting reads it (`phantom config explain` lists what is read)",
    )


def test_secrets_from_files(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "test_chat_token").write_text("chat-token-3\n\n")
    environ = {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": "secrets", "CHAT_MODE": "pull"}
    loaded = load(environ, channels="post:\n  key: ${secret:test_post_key}\n  address: here\n")
    token = chat(loaded).token
    assert token is not None
    assert token.reveal() == "chat-token-3\n"
    assert source_of(loaded, "chat.token")[0] == "set (secret test_chat_token)"
    assert "has no file" in str(fault(loaded, "post"))
    (folder / "test_chat_token").chmod(0o644)
    refused = fault(load({**environ, "PHANTOM_ENV": "production"}))
    assert "everyone on this machine may read" in str(refused)
    assert "chmod o-r" in refused.hint
    (folder / "test_chat_token").chmod(0o640)
    assert chat(load({**environ, "PHANTOM_ENV": "production"})).token is not None


def test_what_env_mode_gives_by_name(load: Load) -> None:
    implied = load({"PROVIDER_TOKEN": "provider-1"})
    assert implied.secrets.secret("provider_token").reveal() == "provider-1"
    assert implied.secrets.find("slack_bot_token") is None
    with pytest.raises(SecretError, match="has not been fetched"):
        implied.secrets.secret("slack_bot_token").reveal()
    chosen = load({"SECRET_SOURCE": "env"})
    with pytest.raises(SecretError) as caught:
        chosen.secrets.secret("slack_bot_token")
    assert caught.value.hint == "set SLACK_BOT_TOKEN"
