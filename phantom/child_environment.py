"""The environment for a child process: what programs need to run, and what the caller names. Nothing else.

What does *not* live here: the daemon's own environment (`process_guard.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NEEDED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
    *("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "SYSTEMROOT"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy"),
)
"""Enough to find programs, a login kept in the home folder, the time zone and certificates. Proxy addresses are left
out: they may hold a password.
"""


def lean_environment(environ: Mapping[str, str], *, keep: Iterable[str] = ()) -> dict[str, str]:
    """The part of `environ` that a child gets. `keep` names the variables that it needs beyond `NEEDED`:

    subprocess.run(command, env=lean_environment(os.environ, keep=["AWS_PROFILE"]))
    """
    return {name: environ[name] for name in (*NEEDED, *keep) if name in environ}
