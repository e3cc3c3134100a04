"""The families of errors. Every error that the portal names derives from one of them.

An error is defined beside the code that raises it; its family says what whoever catches it can do.
Nothing here knows HTTP: `web.errors` gives each family its status.
"""

from collections.abc import Sequence


class PortalError(Exception):
    """Base of every error that the portal names."""


class NotFoundError(PortalError, LookupError):
    """What was named is not there, or is there no longer."""


class NoLongerThereError(NotFoundError):
    """What was named was there once. Carries the clinic, where something like it can be had."""

    def __init__(self, clinic: str) -> None:
        super().__init__(clinic)
        self.clinic = clinic


class NoSuchSheetError(NotFoundError):
    """A poster in a size, a language or for a place that there is none for.

    Carries the languages that the clinic has sheets in.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        super().__init__(", ".join(languages))
        self.languages = languages


class RejectedError(PortalError):
    """The request was understood and cannot be carried out as things are. Nothing was stored."""


class InvalidInputError(RejectedError, ValueError):
    """A value does not have the form it must have."""


class ConcurrentWriteError(PortalError):
    """Others are writing the same thing. The same request can work a moment later."""


class ServiceUnavailableError(PortalError):
    """A service that the portal needs cannot be asked. The same request can work later."""


class PressUnavailableError(ServiceUnavailableError):
    """Nothing can be printed right now. Nothing is lost: the same request can work later."""
