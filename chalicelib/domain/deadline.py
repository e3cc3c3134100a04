"""The time limit of a function: Lambda ends it after a set time, so it stops beginning new work before."""

from collections.abc import Callable

OutOfTime = Callable[[], bool]
"""Tells whether there is no time left to begin another piece of work."""
