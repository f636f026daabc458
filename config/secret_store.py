"""Every secret of this daemon, by name: a live handle for whoever asks, and all handles for the redactor.

The environment (and `.env` behind it) wins over every other source, unless `SECRET_SOURCE` is a list that puts others
before `env`. What no variable sets comes from where `SECRET_SOURCE` says, in its order. With no `SECRET_SOURCE` at all,
a secret that a channel asks for by name comes from the metadata service: that is how the Slack HTTP gateway profile
implies it. What does *not* live here: how a source gets its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from config import secret_names
from config.given_secrets import GivenSource, Holding, VariableSecrets
from config.layered_secret import Layer, LayeredSecret, absent
from config.open_sources import OpenSources
from config.pointed_files import KIND as POINTED
from config.pointed_files import PointedFiles
from config.rotating import OVERLAP_SECONDS
from phantom.clock import Clock
from phantom.errors import PhantomError, SecretError
from phantom.secret_sources import SecretHealth, SecretOrigin
from phantom.secrets import Secret

if TYPE_CHECKING:
    from config.metadata_client import MetadataClient

Variables = Callable[[str], str | None]


class SecretStore:
    """Handles by name. `start` keeps the live ones fresh until `aclose`, which also closes the metadata client.

    `environ` and `dotenv` look a variable up in one place each. `order` is what `SECRET_SOURCE` says, None when unset;
    `open_origin` opens a source by its kind. A file that a variable names is looked for in `folder`; `production`
    demands that not everybody may read it.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        environ: Variables,
        dotenv: Variables,
        order: Sequence[str] | None,
        client: MetadataClient,
        open_origin: Callable[[str], SecretOrigin],
        folder: Path,
        production: bool,
        overlap_seconds: float = OVERLAP_SECONDS,
    ) -> None:
        self._clock = clock
        self._order = None if order is None else tuple(order)
        self._client = client
        self._overlap = overlap_seconds
        self._names_of_variables: dict[str, tuple[str, ...]] = {}
        self._variables = {
            kind: VariableSecrets(kind, lookup, self.variables_of, clock, overlap_seconds=overlap_seconds)
            for kind, lookup in (("env", environ), ("dotenv", dotenv))
        }
        self._pointed = PointedFiles(
            lambda name: environ(name) or dotenv(name),
            self.variables_of,
            folder,
            clock,
            production=production,
            overlap_seconds=overlap_seconds,
        )
        origins: dict[str, SecretOrigin] = {**self._variables, POINTED: self._pointed}
        self._fixed = frozenset(origins)
        self._origins = OpenSources(origins, self._variables, open_origin, clock)
        self._unfit: dict[str, str] = {}
        self._given: dict[str, Secret] = {}
        self._live: dict[tuple[str, ...], Secret] = {}
        self._layers: dict[tuple[str, ...], LayeredSecret] = {}
        self._all: list[Holding] = []
        self._may_lack: dict[str, str] = {}

    def open(self) -> None:
        """Open what `SECRET_SOURCE` names, so that a mistake in it is told at once. Raises `ConfigError`."""
        for kind in self.order:
            self._origins.get(kind)

    def bind(self, name: str, variables: Sequence[str]) -> None:
        """The secret `name` is set by these environment variables, not by its own name in capitals."""
        self._names_of_variables[name] = tuple(variables)

    def variables_of(self, name: str) -> tuple[str, ...]:
        """The environment variables that set the secret `name`, the preferred one first."""
        return self._names_of_variables.get(name) or (name.upper(),)

    @property
    def order(self) -> tuple[str, ...]:
        """The sources in the order in which they are looked at."""
        chosen = self._order or ()
        env = ("env", "dotenv", POINTED)
        written = tuple(kind for one in chosen for kind in (env if one == "env" else (one,)))
        return written if "env" in written else (*env, *written)

    def hold(self, name: str, text: str, *, place: str = "", source: str = "configuration") -> Secret:
        """A handle on a value that is already known. The first one under a name is also what `secret(name)` gives."""
        given = GivenSource(name, text, self._clock, overlap_seconds=self._overlap)
        secret = Secret(name, given)
        self._given.setdefault(name, secret)
        self._all.append(Holding(secret=secret, place=place or name, source=source, given=given))
        return secret

    def wait_for(self, name: str, *, place: str) -> Secret:
        """A handle on a secret that nobody has set yet; it has a value once it is written at `place` and read again, or
        once a source that `SECRET_SOURCE` names has it.
        """
        live = tuple(kind for kind in self.order if kind not in self._fixed)
        if live:
            return self._handle(name, live)
        given = GivenSource(name, None, self._clock, overlap_seconds=self._overlap)
        secret = Secret(name, given)
        self._all.append(Holding(secret=secret, place=place, source="not set", given=given))
        return secret

    def may_lack(self, name: str, *, beside: str = "") -> None:
        """That the secret is not set is no failure; with `beside`, unless that other one is not set either."""
        self._may_lack[name] = beside

    def optional(self, name: str) -> bool:
        """Whether it is no failure at all that the secret is not set."""
        return self._may_lack.get(name) == ""

    def find_live(self, name: str) -> Secret | None:
        """Like `find`, but what `SECRET_SOURCE` itself offers, whatever the environment holds."""
        return self._from(name, [kind for kind in self.order if kind not in self._fixed])

    def find_pointed(self, name: str) -> Secret | None:
        """What is in the file that a variable names (`…_FILE`); None when none does."""
        return self._from(name, ("env", "dotenv", POINTED)) if self._pointed.has(name) else None

    def at_hand(self, name: str) -> bool:
        """Whether a source has the secret for certain, without asking anybody over a network or by a command. One that
        `blank` names counts.
        """
        secret_names.check(name)
        return self._surely(name) or self.blank(name) != ""

    def _surely(self, name: str) -> bool:
        return any(self._origins.get(kind).has(name) for kind in self.order)

    def blank(self, name: str) -> str:
        """The variable that is set to nothing, when only that stands for a secret of `NEVER_BLANK`; else ""."""
        if name not in secret_names.NEVER_BLANK or self._surely(name):
            return ""
        return next((found for one in self._variables.values() if (found := one.blank(name))), "")

    def why_unfit(self, name: str) -> str:
        """Why there is no handle of a secret that a source has: what is there cannot be one. "" when nothing is."""
        return self._unfit.get(name, "")

    def find_ahead(self, name: str) -> Secret | None:
        """What the sources offer that `SECRET_SOURCE` puts before the environment; None when it does not."""
        order = self.order
        ahead = order[: order.index("env")]
        if all(self._origins.get(kind).has(name) is False for kind in ahead):
            return None
        return self._from(name, order)

    def find(self, name: str) -> Secret | None:
        """The handle of `name`, None when it is not configured. No request: a live secret may yet turn out to be
        missing. Raises `SecretError` for a name that no live source may be asked for, or a file that is unfit.
        """
        secret_names.check_shape(name)
        found = self.find_ahead(name)
        if found is None:
            found = self._given.get(name)
        if found is None:
            found = self._from(name, self.order)
        if variable := self.blank(name):
            self._unfit[name] = f"secret {name} is empty"
            raise SecretError(self._unfit[name], hint=f"give {variable} a value, or remove it if none is meant")
        return self._used(found)

    def secret(self, name: str) -> Secret:
        """The handle of `name`. Raises `SecretError` when it is not configured."""
        found = self.find(name)
        if found is None and self._order is None:
            found = self._used(self._from(name, ["metadata"]))
        if found is None:
            raise self._missing(name)
        return found

    def configured(self, name: str) -> Secret:
        """What `${secret:NAME}` means: the handle of `name`, never the implied one. Raises `SecretError`."""
        found = self.find(name)
        if found is None:
            raise self._missing(name)
        return found

    def known(self) -> Sequence[Secret]:
        """Every handle given out so far."""
        return tuple(holding.secret for holding in self._all)

    def holdings(self) -> Sequence[Holding]:
        """The same, with what is known about each. A live handle's `source` is the one that counts now."""
        return tuple(self._described(holding) for holding in self._all)

    def looked_at(self, name: str) -> tuple[str, ...]:
        """Where `name` is looked for, in order, fit for print."""
        found = []
        for kind in self.order:
            if kind == POINTED:
                found += [self._pointed.place(name)] if self._pointed.has(name) else []
            elif kind in self._variables:
                found += [f"{'.env' if kind == 'dotenv' else kind} {one}" for one in self.variables_of(name)[:1]]
            else:
                found.append(f"{kind} {self._origins.get(kind).place(name)}".rstrip())
        return tuple(found)

    def plaintexts(self) -> tuple[str, ...]:
        """Every value that must not be shown now, those of an overlap included: what error texts are cleaned of."""
        texts: dict[str, None] = {}
        for secret in self.known():
            try:
                texts.update(dict.fromkeys(secret.candidates()))
            except PhantomError:
                continue  # a secret without a value has nothing to hide
        return tuple(texts)

    async def start(self) -> None:
        """Keep live secrets fresh from now on. What was asked for by name is fetched soon; holders of a setting's
        secret refresh it when they need it.
        """
        self._origins.start()

    async def reread(self, fresh: SecretStore) -> tuple[str, ...]:
        """Take over the values that were written down anew (`fresh` was just loaded), and ask every live source again
        for every secret in use. Failures show in `health`. Gives the places whose written value is gone; what they held
        stays in use.
        """
        gone = self._adopt(fresh)
        await self._origins.reread()
        return gone

    def _adopt(self, fresh: SecretStore) -> tuple[str, ...]:
        written = {
            (one.place, one.secret.name): one.given.current()
            for one in fresh._all
            if one.given is not None and one.given.is_set
        }
        awaited = {(one.place, one.secret.name) for one in fresh._all if one.given is not None} - written.keys()
        gone = []
        for holding in self._all:
            text = written.get((holding.place, holding.secret.name))
            if holding.given is not None and (holding.place, holding.secret.name) in awaited:
                holding.given.withdraw()
            elif holding.given is not None and text is None:
                gone += [holding.place] if holding.given.is_set else []
            elif holding.given is not None and text is not None:
                holding.given.rotate(text)
        for kind, variables in self._variables.items():
            for name in variables.names():
                anew = fresh._variables[kind]
                if not anew.has(name):
                    gone.append(anew.place(name))
                else:
                    variables.rotate(name, anew.source(name).current())
        moved = [name for name in self._pointed.names() if fresh._pointed.place(name) != self._pointed.place(name)]
        return (*gone, *(self._pointed.place(name) for name in moved))

    async def aclose(self) -> None:
        """Stop, and close the connections to every source."""
        await self._origins.aclose()
        await self._client.aclose()

    def health(self) -> tuple[SecretHealth, ...]:
        """One row for every live secret, from the source that counts."""
        live = [row for kind, origin in self._origins.items() if kind not in self._variables for row in origin.health()]
        return tuple(row for row in live if self._counts(row) and not self._lacks(row))

    @property
    def stale(self) -> bool:
        """Whether any value is served although its source fails."""
        return any(row.state == "stale" for row in self.health())

    @property
    def last_error(self) -> str:
        """What a source answers now where it fails; "" when all is well."""
        return next((row.error for row in self.health() if row.error), "")

    def warnings(self) -> tuple[str, ...]:
        """One line for each live secret that is not well, fit for status output."""
        unwell = (
            f"secret {row.name} is {row.state}: {row.error}"
            for row in self.health()
            if row.state in {"stale", "failed", "flipping"}
        )
        return (*self._origins.broken.values(), *unwell)

    def _counts(self, row: SecretHealth) -> bool:
        """Whether a handle's value, or its failure, comes from there."""
        layered = [layers for key, layers in self._layers.items() if key[0] == row.name]
        counting = [layers.counting for layers in layered]
        kinds = {layers.kinds[-1] if one is None else one.kind for layers, one in zip(layered, counting, strict=True)}
        return not layered or row.source in kinds or (row.name, row.source) in self._live

    def _lacks(self, row: SecretHealth) -> bool:
        """Whether the row says no more than that a secret that may come and go is not there now."""
        beside = self._may_lack.get(row.name)
        if beside is None or row.state != "failed":
            return False
        source = self._origins.get(row.source).source
        return absent(source(row.name)) and not (beside and absent(source(beside)))

    def _from(self, name: str, kinds: Sequence[str]) -> Secret | None:
        """A handle over those of `kinds` that have the secret or may yet have it; None when surely none has it."""
        self._refuse_two(name, kinds)
        layers: list[str] = []
        possible = False
        for kind in kinds:
            has = self._origins.get(kind).has(name)
            fixed = kind in self._fixed
            if has is not False or not fixed:
                layers.append(kind)
            possible = possible or has is not False
            if has and fixed:
                break
        return self._handle(name, tuple(layers)) if possible else None

    def _handle(self, name: str, kinds: tuple[str, ...]) -> Secret:
        known = self._live.get((name, *kinds))
        if known is not None:
            return known
        sources = [Layer(kind=kind, source=self._origins.get(kind).source(name)) for kind in kinds]
        self._check_first(name, sources)
        if len(sources) == 1:
            secret = Secret(name, sources[0].source)
        else:
            layered = LayeredSecret(name, sources, self._clock, overlap_seconds=self._overlap)
            self._layers[name, *kinds] = layered
            secret = Secret(name, layered)
        self._live[name, *kinds] = secret
        self._all.append(Holding(secret=secret, place=name, source=" or ".join(kinds)))
        return secret

    def _check_first(self, name: str, sources: Sequence[Layer]) -> None:
        """What is there and unfit is told now."""
        self._unfit.pop(name, None)
        first = next((layer for layer in sources if self._origins.get(layer.kind).has(name)), None)
        try:
            if first is not None:
                first.source.current()
        except SecretError as error:
            self._unfit[name] = error.message
            raise

    def _refuse_two(self, name: str, kinds: Sequence[str]) -> None:
        """A variable beside one that names a file: which of them was meant to be changed last, nobody can tell."""
        if POINTED in kinds and self._pointed.has(name):
            for kind in self._variables.keys() & set(kinds):
                if self._variables[kind].has(name):
                    variable, pointer = self._variables[kind].place(name), self._pointed.place(name).partition(" ")[0]
                    self._unfit[name] = f"both {variable} and {pointer} are set"
                    raise SecretError(f"secret {name}: {self._unfit[name]}", hint="keep one of them")

    def _used(self, secret: Secret | None) -> Secret | None:
        """Somebody asked for it by name: its sources may begin to fetch it."""
        for known in self._live if secret is not None else ():
            if self._live[known] is secret:
                for kind in known[1:]:
                    self._origins.get(kind).want(known[0])
        return secret

    def _described(self, holding: Holding) -> Holding:
        if holding.given is not None:
            return holding
        name = holding.secret.name
        key = next(key for key, secret in self._live.items() if secret is holding.secret)
        layers = self._layers.get(key)
        counting = None if layers is None else layers.counting
        kinds = key[1:] if counting is None else (counting.kind,)
        if len(kinds) > 1:
            return holding
        label = {"dotenv": ".env", POINTED: ""}.get(kinds[0], kinds[0])
        place = self._origins.get(kinds[0]).place(name)
        return replace(holding, source=f"{label} {place}".strip(), kind=kinds[0])

    def _missing(self, name: str) -> SecretError:
        secret_names.check(name)
        variable = self.variables_of(name)[0]
        if self._order == ("file",):
            return SecretError(f"secret {name} has no file", hint=f"create it in PHANTOM_SECRET_DIR, or set {variable}")
        return SecretError(f"secret {name} is not set", hint=f"set {variable}")

    def __repr__(self) -> str:
        return f"SecretStore({len(self._all)} handles)"
