"""QR codes: an address in, a picture out (ISO/IEC 18004, level Q, quiet zone of four modules)."""

import io

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


def _drawn(address: str, factory: type) -> bytes:
    import qrcode  # noqa: PLC0415 - as above
    from qrcode.constants import ERROR_CORRECT_Q  # noqa: PLC0415

    code = qrcode.QRCode(error_correction=ERROR_CORRECT_Q, border=QUIET_ZONE, box_size=PIXELS_PER_MODULE)
    code.add_data(address)
    code.make(fit=True)
    picture = io.BytesIO()
    code.make_image(image_factory=factory).save(picture)
    return picture.getvalue()
