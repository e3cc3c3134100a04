"""QR codes of addresses (ISO/IEC 18004), with a quiet zone of four modules."""

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

QUIET_ZONE = 4
PIXELS_PER_MODULE = 12


def svg(address: str) -> bytes:
    """Draw the code as SVG on a white ground, so that it can be read on a dark page too."""
    from qrcode.image.svg import SvgPathFillImage  # noqa: PLC0415 - only a request for a code needs it

    return _drawn(address, SvgPathFillImage)


def png(address: str) -> bytes:
    """Draw the code as PNG, black on white, twelve pixels a module."""
    from qrcode.image.pure import PyPNGImage  # noqa: PLC0415 - as above

    return _drawn(address, PyPNGImage)


def matrix(address: str, *, robust: bool = False) -> list[list[bool]]:
    """Return the code's modules with the quiet zone, dark ones True.

    Level M is enough for paper that is held in the hand, and keeps a long address readable. What
    hangs on a wall is `robust`: level Q.
    """
    from qrcode.constants import ERROR_CORRECT_M, ERROR_CORRECT_Q  # noqa: PLC0415 - as above

    level = ERROR_CORRECT_Q if robust else ERROR_CORRECT_M
    modules: list[list[bool]] = _code(address, level).get_matrix()
    return modules


def drawing(address: str, *, robust: bool = False) -> tuple[int, str]:
    """Return the same code for a page: its side in modules, and the SVG path of its dark ones."""
    modules = matrix(address, robust=robust)
    path = [f"M{column} {row}h{length}v1h-{length}z" for row, column, length in dark_runs(modules)]
    return len(modules), "".join(path)


def dark_runs(modules: Sequence[Sequence[bool]]) -> Iterator[tuple[int, int, int]]:
    """Yield each run of dark modules in a row: the row, the column it begins at, its length."""
    for row, line in enumerate(modules):
        column = 0
        for dark, run in groupby(line):
            length = len(list(run))
            if dark:
                yield row, column, length
            column += length


def _drawn(address: str, factory: type) -> bytes:
    from qrcode.constants import ERROR_CORRECT_Q  # noqa: PLC0415 - as above

    picture = io.BytesIO()
    _code(address, ERROR_CORRECT_Q).make_image(image_factory=factory).save(picture)
    return picture.getvalue()


def _code(address: str, level: int) -> Any:
    import qrcode  # noqa: PLC0415 - as above

    code = qrcode.QRCode(error_correction=level, border=QUIET_ZONE, box_size=PIXELS_PER_MODULE)
    code.add_data(address)
    code.make(fit=True)
    return code
