"""Read QR codes as a phone does.

The decoder looks for QR codes alone. Left to look for every kind of code it finds, once in some
thousands of pictures, a bar code within the dots of a QR code.
"""

import io

import zxingcpp
from PIL.Image import Image
from PIL.Image import open as opened


def codes_in(picture: Image | bytes) -> list[zxingcpp.Barcode]:
    """Give the QR codes in a picture, which may still be a PNG file's bytes."""
    image = opened(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    return list(zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode))


def code_in(picture: Image | bytes) -> str:
    """Give the text of the one QR code in a picture."""
    (code,) = codes_in(picture)
    return str(code.text)
