"""Errors of the domain; they know nothing of HTTP. `web/errors.py` and `web/api/errors.py` turn them into answers."""


class NotFoundError(LookupError):
    """There is nothing at this address."""
