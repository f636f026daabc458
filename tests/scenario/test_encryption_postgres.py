"""Turns in PostgreSQL are sealed, resealed and made plain like everything else, also while the server goes away."""

from __future__ import annotations

import base64
from pathlib import Path

from phantom.storage.key_ring import Ring, fresh_key
from tests.scenario.encryption_kit import forms, place, until_under
from tests.scenario.postgres_kit import DATABASE, PostgresServer, postgres

VALUES = """
    SELECT coalesce(inputs, '') FROM {s}.workflow_input UNION ALL
    SELECT coalesce(output, '') || coalesce(error, '') FROM {s}.workflow_output UNION ALL
    SELECT coalesce(output, '') FROM {s}.operation_outputs
"""


def checkpoints(server: PostgresServer) -> list[str]:
    """Every serialized value."""
    ((schema,),) = server.ask(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'workflow_input' AND schemaname <> 'dbos'",
        database=DATABASE,
    )
    with server.connect(DATABASE) as db:
        rows = db.execute(VALUES.format(s=schema).encode()).fetchall()
    return [text for (text,) in rows if text]


def readable(server: PostgresServer, sentence: str) -> int:
    """How many checkpoints hold the sentence."""
    return sum(any(form.decode("latin-1") in text for form in forms(sentence)) for text in checkpoints(server))


async def test_checkpoints_in_postgresql(tmp_path: Path) -> None:
    with postgres() as server:
        async with place(tmp_path, first_key=False) as here:
            here.env |= {"PHANTOM_TURNS_DATABASE": server.url, "DATABASE_PASSWORD": server.password}
            async with here.daemon(key=False) as daemon:
                await here.say("lynxes leap in the open")
                await daemon.stop()
            assert readable(server, "lynxes leap in the open")
            first = fresh_key()
            here.put(first.text)
            async with here.daemon() as daemon:
                await until_under(daemon, first.id)
                await here.say("lynxes leap unseen")
                assert not readable(server, "lynxes leap")
                server.stop()
                second = fresh_key()
                here.put(Ring(keys=(second, first)).text)
                await daemon.until_logged("encryption_key_rotated")
                server.start()
                await until_under(daemon, second.id)
                await here.say("lynxes rotate")
                marks = {text[:13] for text in checkpoints(server)}
                assert marks == {f"pe1:{second.id}:"}
                here.put(f"plain,{second.text}")
                await until_under(daemon, None)
                assert readable(server, "lynxes leap unseen")
                assert all(base64.b64decode(text, validate=True) for text in checkpoints(server))
