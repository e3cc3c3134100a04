"""Faults of one operation of a walk, drawn from a seed: lost requests, replies, processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """One attempt's misfortune."""

    LOST_REQUEST = "the request never arrives"
    LOST_REPLY = "it is carried out, and the answer never arrives"
    THROTTLED = "the service declines for now"
    CONFLICT = "another transaction is in the way"


class ProcessDied(BaseException):
    """The function's process died: whatever it would still have done is not done."""


@dataclass(frozen=True)
class Forecast:
    """What an operation meets.

    `rate` is the chance that an attempt at a service fails, `dies_at` after how many writes the
    process dies, and whether before or after the write is carried out; `races` the chance that
    somebody else acts before a write.
    """

    rate: float = 0.0
    dies_at: int | None = None
    dies_after: bool = False
    races: float = 0.0

    def __str__(self) -> str:
        """Describe it in the list of a walk's operations."""
        parts = [f"{self.rate:.0%} of requests fail"] if self.rate else []
        if self.dies_at is not None:
            parts.append(
                f"dies {'after' if self.dies_after else 'before'} write {self.dies_at + 1}"
            )
        if self.races:
            parts.append("others act between")
        return ", ".join(parts) or "calm"


CALM = Forecast()


def forecast(rng: Random) -> Forecast:
    """Draw what an operation meets: nothing for half of them."""
    kind = rng.choices(["calm", "hiccup", "storm", "outage", "death"], [50, 24, 8, 3, 15])[0]
    races = 0.5 if rng.random() < 0.25 else 0.0
    if kind == "death":
        return Forecast(
            dies_at=rng.choice([0, 0, 1, 1, 2, 3, 5]), dies_after=rng.random() < 0.5, races=races
        )
    return Forecast({"calm": 0.0, "hiccup": 0.2, "storm": 0.6, "outage": 1.0}[kind], races=races)


@dataclass
class Weather:
    """The weather that holds now. Services ask it before and after everything they do."""

    rng: Random = field(default_factory=Random)
    now: Forecast = CALM
    met: dict[str, int] = field(default_factory=dict)
    between: Callable[[], None] | None = None
    """What somebody else does between one's read and one's write."""

    _writes: int = 0
    _dead: bool = False

    @contextmanager
    def during(self, forecast: Forecast, rng: Random) -> Iterator[None]:
        """Let this weather hold for one call of a function, in a process that may die of it.

        Then the one before.
        """
        before = replace(self)
        self.rng, self.now, self._writes, self._dead = rng, forecast, 0, False
        try:
            yield
        finally:
            self.rng, self.now, self.between = before.rng, before.now, before.between
            self._writes, self._dead = before._writes, before._dead  # noqa: SLF001 - its own

    def fault(self, *possible: Fault) -> Fault | None:
        """Draw what one attempt meets, out of what this kind of request can meet."""
        self.alive()
        if self.now.rate and self.rng.random() < self.now.rate:
            return self._note(self.rng.choice(possible))
        return None

    def is_late(self) -> bool:
        """Draw whether a read that need not be consistent misses what was written last."""
        return bool(self.now.rate) and self.rng.random() < self.now.rate

    def before_write(self) -> None:
        """Let others act, or the process die, before a write is carried out."""
        self.alive()
        if self.between is not None and self.now.races and self.rng.random() < self.now.races:
            between, self.between = self.between, None
            self._note("others acted between")
            between()
        if self._writes == self.now.dies_at and not self.now.dies_after:
            self._die("died before a write")

    def after_write(self) -> None:
        """Let the process die after a write was carried out."""
        if self._writes == self.now.dies_at and self.now.dies_after:
            self._die("died after a write")
        self._writes += 1

    def alive(self) -> None:
        """Stop a process that died: what its `finally` would do is not done either."""
        if self._dead:
            raise ProcessDied

    def _die(self, how: str) -> None:
        self._note(how)
        self._dead = True
        raise ProcessDied

    def _note(self, what: Fault | str) -> Fault | None:
        name = str(what)
        self.met[name] = self.met.get(name, 0) + 1
        return what if isinstance(what, Fault) else None
