"""Read QR codes as a phone does.

A decoder that is left to look for every kind of code finds, once in some thousands of pictures, a row of bars inside a
QR code's own dots. A camera aimed at a QR code does not.
"""

import io

import zxingcpp
from PIL.Image import Image
from PIL.Image import open as opened


def codes_in(picture: Image | bytes) -> list[zxingcpp.Barcode]:
    """Give the QR codes in a picture, which may still be a PNG file's bytes."""
    seen = opened(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    return list(zxingcpp.read_barcodes(seen, formats=zxingcpp.BarcodeFormat.QRCode))


def code_in(picture: Image | bytes) -> str:
    """Give the text of the one QR code in a picture."""
    (code,) = codes_in(picture)
    return str(code.text)
