"""Failures of the gateway on command. `shard` None means every connection that is open now."""

from __future__ import annotations

from collections.abc import Iterator

from phantom.testing.fake_discord.gateway import IDENTIFY_PACE, Gateway
from phantom.testing.fake_discord.gateway_session import INVALID, RECONNECT, Connection


class GatewayFaults:
    """The gateway's part of `fake.faults`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def reconnect(self, shard: int | None = None) -> None:
        """Op 7: ask the client to come back and resume."""
        for connection in self._open(shard):
            connection.send({"op": RECONNECT, "t": None, "s": None, "d": None})

    def invalidate_session(self, *, resumable: bool = False, shard: int | None = None) -> None:
        """Op 9. Not resumable: the session is gone, the client must identify again and what it missed is lost."""
        for connection in self._open(shard):
            if not resumable and connection.session is not None:
                self._gateway.sessions.pop(connection.session.id, None)
            connection.send({"op": INVALID, "t": None, "s": None, "d": resumable})

    def refuse_resumes(self, times: int = 1) -> None:
        """Answer the next `times` RESUMEs with op 9, not resumable."""
        self._gateway.refused_resumes += times

    def drop_gateway(self, shard: int | None = None) -> None:
        """Cut the TCP connection without a close frame; the session can be resumed."""
        for connection in self._open(shard):
            connection.abort()

    def close_gateway(self, code: int = 4000, shard: int | None = None) -> None:
        """Close the WebSocket with `code` (4000 unknown error, 4008 rate limited, 4009 session timed out, …)."""
        for connection in self._open(shard):
            connection.close(code)

    def zombie(self, shard: int | None = None) -> None:
        """Keep the TCP connection, but send nothing and ack nothing any more; the events go to the replay buffer."""
        for connection in self._open(shard):
            connection.zombie = True

    def stop_acks(self, shard: int | None = None) -> None:
        """Send events, but ack no heartbeats any more."""
        for connection in self._open(shard):
            connection.unacked = True

    def refuse_gateway(self, *, refused: bool = True) -> None:
        """Answer new gateway connections with 503 (or, with False, accept them again)."""
        self._gateway.refusing = refused

    def no_hello(self, *, silent: bool = True) -> None:
        """Accept new gateway connections, but never say hello."""
        self._gateway.silent_hello = silent

    def pace_identifies(self, seconds: float = IDENTIFY_PACE) -> None:
        """Answer op 9 to an identify within so many seconds of another of its `max_concurrency` group; 0: never."""
        self._gateway.paced = seconds

    def send_frame(self, frame: bytes, shard: int | None = None) -> None:
        """Send these bytes as one well-framed (and compressed) message, whatever they are: broken JSON, odd shapes."""
        for connection in self._open(shard):
            connection.send_encoded(frame)

    def send_unframed(self, data: bytes | str, shard: int | None = None) -> None:
        """Send a WebSocket message past the compression: garbage for a client that inflates."""
        for connection in self._open(shard):
            connection.send_unframed(data)

    def forget_sessions(self) -> None:
        """Every session that nobody is connected to cannot be resumed any more."""
        for session in list(self._gateway.sessions.values()):
            if session.connection is None:
                del self._gateway.sessions[session.id]

    def restore_gateway(self) -> None:
        """Accept connections, say hello, resume, and set no pace."""
        gateway = self._gateway
        gateway.refusing = gateway.silent_hello = False
        gateway.paced = 0.0
        gateway.refused_resumes = 0

    def _open(self, shard: int | None) -> Iterator[Connection]:
        for connection in list(self._gateway.connections):
            if shard is None or connection.shard == shard:
                yield connection
