"""The agents that come with Phantom, and how an agent is chosen. What an agent *is* lives in `phantom/agent.py`.

    loader.py          PHANTOM_AGENT, else PHANTOM_MODEL, else the offline agent
    offline.py         the built-in agent that needs no key and no network
    model.py           a language model through pydantic-ai; the only island that knows a model SDK
    model_choice.py    what `anthropic:…`, `openai:…`, … mean, without importing any SDK
    instructions.py    the short system prompt

Nothing here is imported by the vocabulary, and importing this package imports no model SDK.
"""
