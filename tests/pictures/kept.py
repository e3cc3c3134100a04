"""The folder of the pictures, and how small they are kept."""

import io

from PIL import Image

from infra.build.catalogs import ROOT

FOLDER = ROOT / "docs" / "pictures"
MOST = 60_000
"""Bytes of one picture."""
PHONE = 540, 1110
"""Pixels of a picture: a small phone's screen at one and a half each."""
DESK = 1000, 704
"""Pixels of a picture of the desk: letters of a screen of 1280 are still read."""
COLOURS = 64
"""Pages have few: with these alone letters stay sharp in a third of the bytes, and a chip stays green."""


def keep(name: str, picture: bytes, size: tuple[int, int] = PHONE) -> None:
    """Keep a picture, and print what it takes."""
    path = FOLDER / f"{name}.webp"
    path.write_bytes(_packed(picture, size))
    print(f"  {path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} KB", flush=True)


def _packed(picture: bytes, size: tuple[int, int]) -> bytes:
    """Write a picture as WebP with few colours."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail(size)
    few = image.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")
    written = io.BytesIO()
    few.save(written, "WEBP", lossless=True, method=4, quality=75)
    if written.tell() > MOST:
        message = f"The picture has {written.tell()} bytes."
        raise ValueError(message)
    return written.getvalue()
