"""Whether a function has to stop beginning new work: Lambda ends it after a set time."""

from collections.abc import Callable

OutOfTime = Callable[[], bool]
"""Tells that there is no time left to begin another."""
