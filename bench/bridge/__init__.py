"""The bot bridge beside the npm package's own server: fan-out, latency, actions, CPU, memory. One FakeDiscord process.

`stage.py` is that process, `socket_app.py` the apps that count, `contestants.py` what is measured, `rounds.py` how.
"""
