"""QR codes: an address in, a picture out (ISO/IEC 18004, level Q, quiet zone of four modules)."""

import io
from itertools import groupby
from typing import Any

QUIET_ZONE = 4
PIXELS_PER_MODULE = 12


def svg(address: str) -> bytes:
    """Draw the code as SVG on a white ground, so that it decodes on a dark page too."""
    from qrcode.image.svg import SvgPathFillImage  # noqa: PLC0415 - only a request for a code needs it

    return _drawn(address, SvgPathFillImage)


def png(address: str) -> bytes:
    """Draw the code as PNG, black on white, twelve pixels a module."""
    from qrcode.image.pure import PyPNGImage  # noqa: PLC0415 - as above

    return _drawn(address, PyPNGImage)


def matrix(address: str) -> list[list[bool]]:
    """Give the code's modules with the quiet zone, dark ones True; level M: a long address, on paper held in hand."""
    from qrcode.constants import ERROR_CORRECT_M  # noqa: PLC0415 - as above

    modules: list[list[bool]] = _code(address, ERROR_CORRECT_M).get_matrix()
    return modules


def drawing(address: str) -> tuple[int, str]:
    """Give the same code to draw inside a page: its side in modules, and the SVG path of its dark ones."""
    path, modules = [], matrix(address)
    for row, line in enumerate(modules):
        column = 0
        for dark, run in groupby(line):
            length = len(list(run))
            if dark:
                path.append(f"M{column} {row}h{length}v1h-{length}z")
            column += length
    return len(modules), "".join(path)


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
