"""The bot bridge: other programs see events and act through the one bot, each within its own scoped secret.

`server.py` is the page to read first. What does *not* live here: what an event or action means on a platform (the
channels' `phantom.apps.SupportsApps`).
"""
