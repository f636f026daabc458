"""The local Slack workspace: its people, what they do, what goes wrong with it, and how a page is told of it."""
