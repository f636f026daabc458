"""Every source of secrets at work: folders as platforms mount them, a manager's command, plugins, and their order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

import config
from phantom.clock import SystemClock
from phantom.errors import ConfigError, SecretError
from phantom.secret_sources import SourceContext, SourceDescriptor
from phantom.secrets import Secret
from phantom.testing import FakeMetadata, ManualClock
from tests.scenario.secret_sources_kit import Manager, load, token

CLOCK = SystemClock()
PATIENCE = 30.0


async def becomes(secret: Secret, text: str) -> None:
    """Wait until the secret is `text`, woken by its own listeners."""
    told = asyncio.Event()
    end = secret.on_change(told.set)
    async with asyncio.timeout(PATIENCE):
        while secret.peek() != text:
            await told.wait()
            told.clear()
    end()


async def holds(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


# --- files ---


async def test_a_kubernetes_volume_is_swapped_as_a_whole(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    for version in ("1", "2"):
        (mount / f"..v{version}").mkdir(parents=True)
        for name in ("test_line_token", "test_line_key"):
            (mount / f"..v{version}" / name).write_text(f"{name}-{version}")
    (mount / "..data").symlink_to("..v1")
    for name in ("test_line_token", "test_line_key"):
        (mount / name).symlink_to(f"..data/{name}")
    loaded = load(tmp_path, {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(mount)}, CLOCK)
    secret = token(loaded)
    assert secret.peek() == "test_line_token-1"
    await loaded.secrets.start()
    fresh = mount / "..data_tmp"
    fresh.symlink_to("..v2")
    fresh.replace(mount / "..data")
    await becomes(secret, "test_line_token-2")
    assert secret.candidates() == ("test_line_token-2", "test_line_token-1")
    await loaded.secrets.aclose()


async def test_systemd_credentials_are_found_by_themselves(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "test_line_token").write_text("from-credentials")
    environ = {"SECRET_SOURCE": "file", "CREDENTIALS_DIRECTORY": str(credentials)}
    assert token(load(tmp_path, environ, CLOCK)).peek() == "from-credentials"
    own = tmp_path / "own"
    own.mkdir()
    (own / "test_line_token").write_text("from-own-folder")
    loaded = load(tmp_path, {**environ, "PHANTOM_SECRET_DIR": str(own)}, CLOCK)
    assert token(loaded).peek() == "from-own-folder", "the folder that was named wins"
    row = next(row for row in config.explain(loaded) if row.setting == "line.token")
    assert row.source == (
        f"secret test_line_token from file {own / 'test_line_token'}; "
        f"looked at env LINE_TOKEN, .env LINE_TOKEN, file {own / 'test_line_token'}"
    )


async def test_a_file_that_is_written_anew_is_not_a_withdrawal(tmp_path: Path) -> None:
    """Truncated and filled again, as an editor does: nobody is ever without a value."""
    clock = ManualClock()
    file = tmp_path / "test_line_token"
    file.write_text("line-token-1")
    loaded = load(tmp_path, {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)}, clock)
    secret = token(loaded)
    origin = loaded.secrets._origins.get("file")
    file.write_text("")
    await origin.tick()
    assert secret.peek() == "line-token-1"
    file.write_text("line-token-2\n")
    await origin.tick()
    assert secret.candidates() == ("line-token-2", "line-token-1")
    file.unlink()
    await origin.tick()
    assert secret.peek() == "line-token-2"
    clock.advance(3)
    await origin.tick()
    with pytest.raises(SecretError, match="has no file"):
        secret.peek()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b" \n\t\n", "is empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "larger than 64 KiB")],
)
def test_an_unfit_file_is_told_without_its_content(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "test_line_token").write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        token(load(tmp_path, {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)}, CLOCK))
    assert "xxxx" not in str(caught.value)


def test_multi_line_and_non_ascii_values_are_kept_as_they_are(tmp_path: Path) -> None:
    text = "-----BEGIN KEY-----\nschlüssel\n-----END KEY-----"
    (tmp_path / "test_line_token").write_text(text + "\n", encoding="utf-8")
    assert token(load(tmp_path, {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)}, CLOCK)).peek() == text


def test_what_is_no_file_cannot_hold_the_daemon(tmp_path: Path) -> None:
    environ = {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)}
    place = tmp_path / "test_line_token"
    made: tuple[tuple[Callable[[], None], str], ...] = (
        (place.mkdir, "Is a directory"),
        (lambda: os.mkfifo(place), "is not in a file"),
        (lambda: place.symlink_to("/proc/self/mem"), "cannot be read"),
    )
    for make, says in made:
        make()
        with pytest.raises(ConfigError, match=says):
            token(load(tmp_path, environ, CLOCK))
        place.rmdir() if place.is_dir() else place.unlink()


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_production_and_dotenv(tmp_path: Path, mode: int) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("LINE_TOKEN=line-token-dotenv\n")
    dotenv.chmod(mode)
    assert token(load(tmp_path, {}, CLOCK)).peek() == "line-token-dotenv"
    if mode == 0o600:
        assert load(tmp_path, {"PHANTOM_ENV": "production", "LINE_TOKEN": "set"}, CLOCK).channels["line"].error is None
        return
    with pytest.raises(ConfigError, match="everyone on this machine may read it") as caught:
        load(tmp_path, {"PHANTOM_ENV": "production"}, CLOCK)
    assert caught.value.where == str(dotenv)
    assert "line-token" not in str(caught.value)


# --- a manager's command ---


async def test_a_command_gives_secrets_and_their_rotation(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "m")
    manager.put("test_line_token", "line-token-1\n")
    environ = {"SECRET_SOURCE": "exec", "VAULT_ADDR": "here", "SLACK_BOT_TOKEN": "unwanted", "PATH": os.environ["PATH"]}
    core = manager.yaml(exec_environment="[VAULT_ADDR]", exec_interval=1)
    loaded = load(tmp_path, environ, CLOCK, core=core)
    secret = token(loaded)
    assert manager.asked == [], "loading runs nothing"
    with pytest.raises(SecretError, match="has not been asked of exec yet"):
        secret.peek()
    assert await asyncio.gather(*(secret.refresh() for _ in range(5)))
    assert len(manager.asked) <= 2, "one question at a time"
    assert secret.peek() == "line-token-1"
    seen = set(manager.asked[0].split()[1:])
    assert "VAULT_ADDR" in seen
    assert not seen & {"SLACK_BOT_TOKEN", "SECRET_SOURCE", "LINE_MODE"}
    await loaded.secrets.start()
    manager.put("test_line_token", "line-token-2")
    await becomes(secret, "line-token-2")
    assert secret.candidates() == ("line-token-2", "line-token-1")
    rows = {row.setting: row for row in config.explain(loaded)}
    assert "from exec" in rows["line.token"].source
    assert rows["secrets.exec_command"].value == "set"
    await loaded.secrets.aclose()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("sys.stdout.write('HALF-A-SECRET'); sys.exit(3)", "ended with status 3"),
        ("sys.stdout.write('S' * 200000)", "printed more than 64 KiB"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe'); sys.exit(0)", "not UTF-8"),
        ("sys.stdout.write(' \\n'); sys.exit(0)", "gave nothing"),
        ("os.kill(os.getpid(), 9)", "ended with status -9"),
        ("sys.exit(44)", "is not in exec"),
    ],
)
async def test_a_command_that_fails_says_nothing_of_its_output(tmp_path: Path, code: str, says: str) -> None:
    manager = Manager(tmp_path / "m")
    manager.how("test_line_token", code)
    loaded = load(tmp_path, {"SECRET_SOURCE": "exec"}, CLOCK, core=manager.yaml())
    with structlog.testing.capture_logs() as logs, pytest.raises(SecretError, match=says) as caught:
        await token(loaded).refresh()
    told = f"{caught.value!r} {caught.value} {logs} {loaded.secrets.warnings()}"
    assert not any(word in told for word in ("SAID-ON-STDERR", "HALF-A-SECRET", "SSSS"))
    await loaded.secrets.aclose()


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "m")
    manager.put("test_line_token", "line-token-1")
    core = manager.yaml(exec_timeout=4, exec_stale=60)
    loaded = load(tmp_path, {"SECRET_SOURCE": "exec"}, CLOCK, core=core)
    secret = token(loaded)
    await secret.refresh()
    pid = manager.vault / "child"
    manager.how(
        "test_line_token",
        "import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
        f"Path({str(pid)!r}).write_text(str(child.pid)); time.sleep(600)",
    )
    with pytest.raises(SecretError, match="gave no answer within 4 s"):
        await secret.refresh()
    assert secret.peek() == "line-token-1", "the last good value"
    assert loaded.secrets.health()[0].state == "stale"
    assert loaded.secrets.stale
    child = int(pid.read_text())
    await holds(lambda: not _alive(child))
    await loaded.secrets.aclose()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_is_checked_when_it_is_loaded(tmp_path: Path) -> None:
    for section, says in (
        ("secrets: {}\n", "no command is set"),
        ("secrets: {exec_command: [vault, get]}\n", "does not say where the secret's name goes"),
    ):
        with pytest.raises(ConfigError, match=says):
            load(tmp_path, {"SECRET_SOURCE": "exec"}, CLOCK, core=section)
    for order, says in (("file,nowhere", "must be 'env'"), ("file,file", "names a source twice")):
        with pytest.raises(ConfigError, match=says):
            load(tmp_path, {"SECRET_SOURCE": order}, CLOCK)


# --- several sources ---


async def test_the_first_source_that_has_it_counts(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "m")
    manager.put("test_line_token", "from-the-manager")
    folder = tmp_path / "files"
    folder.mkdir()
    environ = {"SECRET_SOURCE": "file,exec", "PHANTOM_SECRET_DIR": str(folder)}
    loaded = load(tmp_path, environ, CLOCK, core=manager.yaml())
    secret = token(loaded)
    await secret.refresh()
    assert secret.peek() == "from-the-manager"
    assert loaded.secrets.warnings() == (), "a file that is not there is no failure while another source has it"
    await loaded.secrets.start()
    (folder / "written").write_text("from-a-file")
    (folder / "written").rename(folder / "test_line_token")  # whole or not at all: an empty file would be unfit
    await becomes(secret, "from-a-file")
    assert secret.candidates() == ("from-a-file", "from-the-manager"), "a change of source overlaps as well"
    (folder / "test_line_token").write_bytes(b"\xff")
    await holds(loaded.secrets.warnings)
    with pytest.raises(SecretError, match="not UTF-8"):
        secret.peek()  # unfit is not absent: no other value takes over silently
    await loaded.secrets.aclose()


async def test_an_outage_of_the_first_is_not_papered_over(tmp_path: Path) -> None:
    (tmp_path / "test_line_token").write_text("from-a-file")
    async with FakeMetadata(secrets={}) as service:
        environ = {
            "SECRET_SOURCE": "metadata, file",
            "PHANTOM_METADATA_URL": service.url,
            "PHANTOM_SECRET_DIR": str(tmp_path),
        }
        loaded = load(tmp_path, environ, CLOCK)
        secret = token(loaded)
        await secret.refresh()
        assert secret.peek() == "from-a-file", "404: the next source's turn"
        service.rotate("test_line_token", "from-the-service")
        await secret.refresh()
        assert secret.peek() == "from-the-service"
        service.answer_status(403, path="test_line_token")
        with pytest.raises(Exception, match="HTTP 403"):
            await secret.refresh()
        with pytest.raises(SecretError, match="HTTP 403"):
            secret.peek()
        await loaded.secrets.aclose()


async def test_sources_before_env_win_over_variables(tmp_path: Path) -> None:
    environ = {"SECRET_SOURCE": "file,env", "PHANTOM_SECRET_DIR": str(tmp_path), "LINE_TOKEN": "from-env-1"}
    secret = token(load(tmp_path, environ, CLOCK))
    assert secret.peek() == "from-env-1"
    (tmp_path / "test_line_token").write_text("from-a-file")
    loaded = load(tmp_path, environ, CLOCK)
    assert token(loaded).peek() == "from-a-file"
    assert loaded.secrets.secret("test_line_token").peek() == "from-a-file"
    assert token(load(tmp_path, {**environ, "SECRET_SOURCE": "file"}, CLOCK)).peek() == "from-env-1"


# --- plugins ---


class Reader:
    """A plugin's source that does whatever a test tells it to."""

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.asked = 0
        self.closed = False

    async def read(self, name: str) -> str | None:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if answer == "hang":
            await asyncio.get_running_loop().create_future()
        return answer  # type: ignore[return-value] # lies are the point

    async def aclose(self) -> None:
        self.closed = True


READER = Reader()


def open_reader(context: SourceContext) -> Reader:
    assert context.options["region"] == "eu"
    return READER


ACME = SourceDescriptor(kind="acme", api_version=1, target=f"{__name__}:open_reader", summary="for tests")


async def test_a_plugin_that_hangs_lies_and_flips(tmp_path: Path) -> None:
    clock = ManualClock()
    READER.answers = ["one"]
    core = "secrets: {options: {acme: {region: eu, timeout: 0.2, interval: 10, stale: 60}}}\n"
    loaded = load(tmp_path, {"SECRET_SOURCE": "acme"}, clock, core=core, sources={"acme": ACME})
    secret = token(loaded)
    await secret.refresh()
    told: list[str] = []
    secret.on_change(lambda: told.append(secret.peek()))
    for answer, says in (
        ("hang", "gave no answer within 0.2 s"),
        (b"bytes", "not text"),
        ("\ud800", "not text"),
        ("", "gave nothing"),
        ("y" * 70_000, "more than 64 KiB"),
        (KeyError("SECRET-IN-A-KEYERROR"), "failed with KeyError"),
        (SecretError("acme is sealed"), "acme is sealed"),
    ):
        READER.answers = [answer]
        with pytest.raises(SecretError, match=says) as caught:
            await secret.refresh()
        assert "SECRET-IN" not in str(caught.value)
        assert secret.peek() == "one"
        assert loaded.secrets.stale
    clock.advance(61)
    with pytest.raises(SecretError, match="acme is sealed"):
        secret.peek()
    READER.answers = ["two", "one"] * 60
    for _ in range(100):
        await secret.refresh()
        assert {"one", "two"} == set(secret.candidates())
    assert len(told) <= 4
    assert loaded.secrets.health()[0].state == "flipping"
    assert "two values in turn" in loaded.secrets.warnings()[0]
    READER.answers = [None]
    with pytest.raises(SecretError, match="is not in acme"):
        await secret.refresh()
    with pytest.raises(SecretError, match="is not in acme"):
        secret.peek()
    await loaded.secrets.aclose()
    assert READER.closed


def test_a_plugin_may_not_take_a_name_of_ours(tmp_path: Path) -> None:
    thief = SourceDescriptor(kind="file", api_version=1, target="x:y", summary="")
    with pytest.raises(ConfigError, match="as one of Phantom's own is called"):
        load(tmp_path, {"SECRET_SOURCE": "file"}, CLOCK, sources={"file": thief})
    absent = SourceDescriptor(kind="gone", api_version=1, target="no_such_module_here:y", summary="", extra="gone")
    with pytest.raises(ConfigError, match="needs the module no_such_module_here"):
        load(tmp_path, {"SECRET_SOURCE": "gone"}, CLOCK, sources={"gone": absent})


# --- SIGHUP ---


async def test_reading_everything_again(tmp_path: Path) -> None:
    from config.rereading import reread

    manager = Manager(tmp_path / "m")
    manager.put("test_line_key", "line-key-1")
    dotenv = tmp_path / ".env"
    dotenv.write_text("LINE_TOKEN=line-token-1\nPROVIDER_TOKEN=provider-1\n")
    core = manager.yaml(declare="{test_line_key: plugin}") + "name: before\n"
    loaded = load(tmp_path, {"SECRET_SOURCE": "exec"}, CLOCK, core=core)
    named, by_name, run = token(loaded), loaded.secrets.secret("provider_token"), loaded.secrets.secret("test_line_key")
    await run.refresh()
    told: list[str] = []
    named.on_change(lambda: told.append("token"))
    dotenv.write_text("LINE_TOKEN=line-token-2\nPROVIDER_TOKEN=provider-2\n")
    manager.put("test_line_key", "line-key-2")
    (tmp_path / "phantom.yaml").write_text(core.replace("before", "after"))
    found = await reread(loaded)
    assert found.changed == ("provider_token", "test_line_key", "test_line_token")
    assert found.need_restart == ("name",)
    assert (named.peek(), by_name.peek(), run.peek()) == ("line-token-2", "provider-2", "line-key-2")
    assert named.candidates() == ("line-token-2", "line-token-1")
    assert told == ["token"]
    assert "line-token" not in repr(found)
    dotenv.write_text("")
    gone = await reread(loaded)
    assert set(gone.gone) == {"line.token", "PROVIDER_TOKEN"}
    assert named.peek() == "line-token-2", "what is in use stays in use"
    (tmp_path / "phantom.yaml").write_text("name: [")
    broken = await reread(loaded)
    assert broken.error is not None
    assert broken.changed == ()
    await loaded.secrets.aclose()


async def test_a_secret_written_into_yaml_follows_it(tmp_path: Path) -> None:
    from config.rereading import reread

    (tmp_path / "referenced").write_text("x")
    loaded = load(tmp_path, {}, CLOCK, channels="line: {token: literal-1}\nother: {kind: line, token: literal-a}\n")
    first = token(loaded)
    load(tmp_path, {}, CLOCK, channels="line: {token: literal-2}\nother: {kind: line, token: literal-b}\n")
    found = await reread(loaded)
    assert found.changed == ("test_line_token",)
    assert first.candidates() == ("literal-2", "literal-1"), "each setting gets its own, also under one name"
    assert {secret.peek() for secret in loaded.secrets.known()} == {"literal-2", "literal-b"}
