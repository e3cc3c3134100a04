"""The time limit of a function: before Lambda ends it, it stops beginning new work."""

from collections.abc import Callable

OutOfTime = Callable[[], bool]
"""Tells whether there is no time left to begin another piece of work."""
