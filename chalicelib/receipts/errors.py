"""Why something proves no receipt, and why a receipt cannot be had in the format asked for."""

from chalicelib.domain.errors import NotFoundError, RejectedError


class UnprovenError(RejectedError):
    """What was given proves nothing; the message says why, for a person."""


class NotAReceiptError(UnprovenError):
    """This is no receipt, no signed receipt and no code of one."""


class UnknownKeyError(UnprovenError):
    """The key that signed is none of those given."""


class WrongAlgorithmError(UnprovenError):
    """The header names another algorithm than the key is for."""


class BadSignatureError(UnprovenError):
    """The signature is not by this key over these bytes: something was changed."""


class NotCanonicalError(UnprovenError):
    """What was signed is not the canonical form of a receipt."""


class BrokenChainError(UnprovenError):
    """A receipt does not follow the one before it."""


class UnknownFormatError(NotFoundError):
    """There is no such format, or not for whoever asks."""


class UnsignedError(RejectedError):
    """The format holds the signature, and the receipt is not signed yet."""


class FormatCannotExpressError(RejectedError):
    """The format has no way to say what the receipt says; the message says what, for a person."""
