"""The agents that come with Phantom, and how an agent is chosen. What an agent *is* lives in `phantom/agent.py`.

    loader.py          PHANTOM_AGENT, else PHANTOM_MODEL, else the offline agent
    offline.py         the built-in agent that needs no key and no network (memory.py, arithmetic.py, showcase.py)
    model_key.py       the key of the model, from whichever secret holds it
    model_choice.py    what `anthropic:…`, `openai:…`, … mean, checked without importing any SDK
    model.py           an agent that asks a language model through pydantic-ai; tools, approvals
    durable.py         its model and tool calls as recorded steps of the workflow they run in
    conversation.py    our history and files as a model reads them; instructions.py is the system prompt
    providers.py       the client of each service, with the key put on at the moment of use (live_key.py)
    failures.py        what went wrong, for the chat and for the operator

Nothing here is imported by the vocabulary, and importing this package imports no model SDK.
"""
