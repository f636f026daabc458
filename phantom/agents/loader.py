"""Chooses the agent: `PHANTOM_AGENT` (your own code), else `PHANTOM_MODEL` (a language model), else the offline one.

Every mistake is a `ConfigError` with its cure before the first message. Imports run in a thread: they may take
seconds, and the receivers answer meanwhile.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog

from phantom.agent import Agent, AgentContext, AgentEvent, DurableAgent, Turn
from phantom.agents.model_choice import choose
from phantom.agents.offline import OfflineAgent
from phantom.errors import ConfigError

_log = structlog.get_logger(__name__)

_WHERE = "PHANTOM_AGENT"

_importing = threading.Lock()

USER_CODE_ERRORS = (
    ImportError,
    SyntaxError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a user's module or factory may raise by mistake; each becomes a `ConfigError` that names it."""


async def load_agent(*, agent: str, model: str, context: AgentContext) -> Agent:
    """The agent that the settings name. `agent` wins over `model`. Raises `ConfigError`."""
    if agent.strip():
        if model.strip():
            _log.info("agent_overrides_model", agent=agent.strip(), note="your agent gets the model in its context")
        return await _own(agent.strip(), context)
    if model.strip():
        choose(context)  # a wrong name or missing key is said even where the extra is missing
        return await asyncio.to_thread(_model, context)
    return OfflineAgent(phantom_name=context.phantom_name, now=context.now)


def describe(agent: Agent) -> str:
    """One line for status output: what answers, and whether a crash costs its finished steps."""
    if isinstance(agent, OfflineAgent):
        return "offline (built in, no model; set PHANTOM_MODEL or PHANTOM_AGENT)"
    durable = isinstance(agent, DurableAgent) and agent.durable
    return f"{agent.name} (durable steps)" if durable else agent.name


class FunctionAgent:
    """An agent made of one async generator function, `async def reply(turn)`."""

    def __init__(self, name: str, reply: Callable[[Turn], AsyncIterator[AgentEvent]]) -> None:
        self.name = name
        self._reply = reply

    def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        """Call the function."""
        return self._reply(turn)


def _model(context: AgentContext) -> Agent:
    try:
        from phantom.agents.model import model_agent  # the SDKs load only when asked for

        return model_agent(context)
    except ImportError as error:
        raise ConfigError(
            f"a model needs packages that are not installed (missing: {error.name or 'unknown'})",
            where="PHANTOM_MODEL",
            hint="pip install 'phantom-daemon[models]'",
            code="model_extra_missing",
        ) from error


async def _own(spec: str, context: AgentContext) -> Agent:
    module_name, colon, attribute = spec.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise ConfigError(
            "is not of the form package.module:name",
            where=_WHERE,
            hint="e.g. PHANTOM_AGENT=my_agent:make for `def make(context)` in my_agent.py",
        )
    module = await asyncio.to_thread(_import, module_name)
    found = _attribute(module, module_name, attribute)
    made = await _made(found, spec, context)
    return _checked(made, spec)


def _import(name: str) -> ModuleType:
    """Import a user's module. The working folder is on the path for this import only, as `python -m` has it."""
    folder = str(Path.cwd())
    with _importing:
        sys.path.insert(0, folder)
        try:
            importlib.invalidate_caches()
            return importlib.import_module(name)
        except USER_CODE_ERRORS as error:
            raise _not_importable(name, error, folder) from error
        finally:
            sys.path.remove(folder)


def _not_importable(name: str, error: Exception, folder: str) -> ConfigError:
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if missing and (name == missing or name.startswith(missing + ".")):
        message = f"there is no module {missing}"
        hint = f"looked in {folder} and the installed packages; start Phantom where {missing.split('.')[0]} is"
    elif missing:
        message = f"{name} cannot be imported: it needs {missing}, which is not installed"
        hint = f"install {missing} into the environment Phantom runs in"
    else:
        message = f"{name} cannot be imported: {type(error).__name__}: {_first_line(error)}"
        hint = f"`python -c 'import {name}'` shows where"
    return ConfigError(message, where=_WHERE, hint=hint, code="agent_not_importable")


def _attribute(module: ModuleType, module_name: str, path: str) -> object:
    found: object = module
    for part in path.split("."):
        if not hasattr(found, part):
            names = [n for n, value in vars(module).items() if not n.startswith("_") and _local(value, module)]
            offered = f"; it has {', '.join(sorted(names)[:8])}" if names else ""
            raise ConfigError(
                f"{module_name} has no {path}{offered}",
                where=_WHERE,
                hint="name a factory, a class or an agent that the module defines",
            )
        found = getattr(found, part)
    return found


def _local(value: object, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


async def _made(found: Any, spec: str, context: AgentContext) -> object:
    if inspect.isasyncgenfunction(found):
        return FunctionAgent(spec, found)
    if not callable(found) or (not inspect.isclass(found) and hasattr(found, "reply")):
        return found
    try:
        made = found(context) if _takes_argument(found) else found()
        return await made if inspect.isawaitable(made) else made
    except USER_CODE_ERRORS as error:
        raise ConfigError(
            f"{spec} failed: {type(error).__name__}: {_first_line(error)}",
            where=_WHERE,
            hint="it is called with the AgentContext, or with nothing if it takes nothing",
            code="agent_factory_failed",
        ) from error


def _takes_argument(factory: Callable[..., object]) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # a callable written in C without a signature
        return True
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)


def _checked(made: object, spec: str) -> Agent:
    reply = getattr(made, "reply", None)
    if reply is None:
        problem = f"{_kind(made)} has no reply(turn)"
    elif inspect.iscoroutinefunction(reply):
        problem = "its reply is a coroutine; it must be an async generator (use `yield Final(text=…)`)"
    elif not callable(reply):
        problem = "its reply is not a method"
    elif not isinstance(getattr(made, "name", None), str):
        problem = f'{_kind(made)} has no name (e.g. name = "my agent")'
    elif isinstance(made, Agent):
        return made
    else:
        problem = f"{_kind(made)} does not follow phantom.agent.Agent"
    raise ConfigError(
        f"{spec} is not an agent: {problem}",
        where=_WHERE,
        hint="an agent has a `name` and `async def reply(self, turn)` that yields events; see the how-to on agents",
        code="not_an_agent",
    )


def _kind(made: object) -> str:
    return "None" if made is None else f"a {type(made).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
