"""Discord: signed interactions, the gateway, memory; each beside something that does less. FakeDiscord is the peer.

What does *not* live here: the contestants that we are compared with (`bench/peers/discord_*.py`).
"""
