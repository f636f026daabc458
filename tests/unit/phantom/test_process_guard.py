"""A process that holds secrets: no core, nothing printed unmasked, children inherit nothing of ours."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from phantom.child_environment import lean_environment
from phantom.process_guard import MaskedStream, forget_variables
from phantom.redaction import MASK, Redactor
from phantom.secrets import held

TOKEN = "xoxb-111122223333-4444555566667-AbCdEfGhIjKlMnOpQrStUvWx"


def python(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environ}, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip


def stream(*values: str) -> tuple[MaskedStream, io.StringIO]:
    plain = io.StringIO()
    secrets = [held(f"s{number}", value) for number, value in enumerate(values)]
    return MaskedStream(plain, Redactor(lambda: secrets)), plain


def test_no_core_is_left_and_nobody_reads_the_memory() -> None:
    said = python(
        "import resource, json, ctypes\n"
        "from phantom.process_guard import no_core_dumps\n"
        "no_core_dumps()\n"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if __import__('sys').platform == 'linux' else 0\n"
        "print(json.dumps([*resource.getrlimit(resource.RLIMIT_CORE), dumpable]))"
    )
    assert json.loads(said.stdout) == [0, 0, 0], said.stderr


@pytest.mark.parametrize(
    "crash",
    [
        "raise ValueError(secret)",
        "import threading; thread = threading.Thread(target=lambda: 1 / len(secret[99:]) or 0 if 0 else int(secret));"
        " thread.start(); thread.join()",
        "class Broken:\n    def __del__(self): raise ValueError(secret)\nBroken()",
        "raise ExceptionGroup(secret, [ValueError(secret), KeyError(secret)])",
    ],
)
def test_tracebacks_of_last_resort_are_masked(crash: str) -> None:
    said = python(
        "import os\nfrom phantom.process_guard import mask_crashes\nfrom phantom.redaction import Redactor\n"
        "redactor = Redactor(); redactor.remember_environment(os.environ); mask_crashes(redactor)\n"
        f"secret = os.environ['MY_TOKEN']\n{crash}",
        MY_TOKEN=TOKEN,
    )
    assert "Error" in said.stderr
    assert MASK in said.stderr
    assert TOKEN not in said.stdout + said.stderr


def test_what_is_printed_is_masked_also_over_several_writes_and_lines() -> None:
    masked, plain = stream(TOKEN)
    print("one", TOKEN, file=masked)
    masked.write(TOKEN[:20])
    masked.flush()
    masked.write(TOKEN[20:] + "\n")
    print(TOKEN[:30], file=masked)
    masked.flush()
    print(TOKEN[30:], file=masked)
    print("end", file=masked)
    masked.finish()
    assert plain.getvalue() == f"one {MASK}\n{MASK}\n{MASK}\nend\n"


def test_a_prompt_without_a_line_end_shows_at_flush_and_a_cut_secret_never() -> None:
    masked, plain = stream(TOKEN)
    masked.write("go on? ")
    assert plain.getvalue() == ""
    masked.flush()
    assert plain.getvalue() == "go on? "
    masked.write(TOKEN[:30])
    masked.finish()
    assert plain.getvalue() == f"go on? {MASK}"


def test_our_own_secrets_leave_the_environment_and_the_rest_stays() -> None:
    environ = {
        "SLACK_BOT_TOKEN": "a", "DISCORD_BOT_TOKEN": "b", "WEBHOOK_SECRET_BACKUP": "c",
        "PHANTOM_DATABASE_PASSWORD": "d",
        "WEBHOOK_ORDERS": TOKEN, "PHANTOM_DATABASE_URL": "postgresql://u:p@h/db", "PHANTOM_METADATA_URL": "http://h:1/",
        "ANTHROPIC_API_KEY": "e", "MY_TOKEN": "f", "PATH": "g", "SLACK_TRANSPORT": "http", "SECRET_SOURCE": "env",
    }  # fmt: skip
    gone = forget_variables(environ, Redactor(lambda: [held("webhook_orders", TOKEN)]))
    assert sorted(gone) == [
        "DISCORD_BOT_TOKEN", "PHANTOM_DATABASE_PASSWORD", "PHANTOM_DATABASE_URL", "SLACK_BOT_TOKEN", "WEBHOOK_ORDERS",
        "WEBHOOK_SECRET_BACKUP",
    ]  # fmt: skip
    assert sorted(environ) == [
        "ANTHROPIC_API_KEY", "MY_TOKEN", "PATH", "PHANTOM_METADATA_URL", "SECRET_SOURCE", "SLACK_TRANSPORT",
    ]  # fmt: skip


def test_a_child_gets_what_it_needs_and_what_is_named() -> None:
    environ = {"PATH": "/bin", "HOME": "/h", "MY_TOKEN": "x", "AWS_PROFILE": "dev", "HTTPS_PROXY": "http://u:p@h"}
    assert lean_environment(environ, keep=["AWS_PROFILE", "ABSENT"]) == {
        "PATH": "/bin",
        "HOME": "/h",
        "AWS_PROFILE": "dev",
    }
