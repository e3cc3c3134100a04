"""Why a receipt cannot be had in the format asked for."""

from chalicelib.domain.errors import NotFoundError, RejectedError


class UnknownFormatError(NotFoundError):
    """There is no such format, or not for whoever asks."""


class UnsignedError(RejectedError):
    """The format holds the signature, and the receipt is not signed yet."""


class FormatCannotExpressError(RejectedError):
    """The format has no way to say what the receipt says; the message tells what, for a person."""
