"""What sets a paper as PDF: the interface, and the press of this process.

The Lambda function `press` is another (`store.press_function`): what serves pages has no Typst.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from chalicelib.domain.brand import Brand
from chalicelib.domain.errors import PressUnavailableError


class Paper(NamedTuple):
    """What is to be printed.

    `template` is the name of a file below `templates/print/`, without its end. `values` are what
    JSON can hold, with all texts translated: `lang`, `title` and `at` (the instant that the file
    names as its own) always, beside what the template reads.
    """

    template: str
    values: Mapping[str, Any]


class Press(Protocol):
    """Sets papers."""

    def pdf(self, template: str, values: Mapping[str, Any]) -> bytes:
        """Set a `Paper` as PDF/UA-1 (ISO 14289-1): the same values always give the same bytes.

        Raises PressUnavailableError.
        """


class PressInProcess:
    """Sets papers in this process, for tests and for whoever has Typst installed."""

    __slots__ = ()

    def pdf(self, template: str, values: Mapping[str, Any]) -> bytes:
        """Set a paper; raise PressUnavailableError where Typst is missing, or refuses."""
        from chalicelib.presentation.typesetting import typeset  # noqa: PLC0415 - only paper needs it

        try:
            return typeset(template, values)
        except (ImportError, RuntimeError) as error:
            raise PressUnavailableError(type(error).__name__) from error


def brand_values(brand: Brand) -> dict[str, Any]:
    """Give a clinic's colour and logo as `templates/print/look.typ` takes them (`brand`)."""
    logo = brand.logo
    return {
        "colour": brand.link,
        "fill": brand.fill,
        "on_fill": brand.on_fill,
        "logo": logo
        and {
            "format": logo.media_type.removeprefix("image/").removesuffix("+xml"),
            "content": {"base64": logo.content},
            "width": logo.width,
            "height": logo.height,
        },
    }
