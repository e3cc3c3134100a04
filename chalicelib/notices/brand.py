"""Reads `brand:` of a clinic's document: its colour and its logo, as they will be shown."""

import re
from collections.abc import Iterator, Mapping

from chalicelib.domain.brand import NO_BRAND, Brand, Logo
from chalicelib.notices.colours import contrast, shades
from chalicelib.notices.fields import DocumentError, FieldReader
from chalicelib.notices.logo import read_logo

LIGHT_LOGO = 2048
"""Bytes up to which a logo hardly weighs on a page."""

_COLOUR = re.compile(r"#[0-9a-f]{6}")


def read_brand(reader: FieldReader, value: object, keys: str, logo_keys: str) -> Brand:
    """Read a brand; `keys` are those it may have, `logo_keys` those of its logo."""
    fields = reader.mapping("brand", value)
    reader.known_keys("brand", fields, keys)
    logo = _logo(reader, fields.get("logo"), logo_keys)
    return _colour(reader, fields)._replace(logo=logo)


def _colour(reader: FieldReader, fields: Mapping[str, object]) -> Brand:
    if "colour" not in fields:
        return NO_BRAND
    written = fields["colour"]
    lower = written.lower() if isinstance(written, str) else written
    remedy = 'Write red, green and blue in quotes, such as "#0b5a57"'
    colour = reader.matching("brand.colour", lower, _COLOUR, remedy)
    return shades(colour) if colour else NO_BRAND


def _logo(reader: FieldReader, value: object, keys: str) -> Logo | None:
    if value is None:
        return None
    if isinstance(value, str):
        remedy = "Send media_type and content (the file in base64). A name is for a YAML file"
        reader.fault("brand.logo", "is a text", remedy)
        return None
    fields = reader.mapping("brand.logo", value)
    reader.known_keys("brand.logo", fields, keys)
    logo = read_logo(fields.get("media_type"), fields.get("content"))
    if isinstance(logo, Logo):
        return logo
    reader.fault("brand.logo", logo.problem, logo.remedy)
    return None


def warnings_of_brand(brand: Brand) -> Iterator[DocumentError]:
    """Warn of a colour that is shown in other shades than it was written, and of a heavy logo."""
    changed = {
        "on buttons": (brand.fill, brand.on_fill),
        "as text": (brand.link, "#ffffff"),
    }
    told = [
        f"{shade} {where} ({contrast(shade, beside):.1f}:1)"
        for where, (shade, beside) in changed.items()
        if shade != brand.colour
    ]
    if told:
        problem = f"is shown as {' and '.join(told)}, so that all can read it"
        remedy = "Nothing has to be done; a darker colour is shown as it is"
        yield DocumentError("brand.colour", problem, remedy, "WCAG 2.2, 1.4.3 and 1.4.6")
    size = len(brand.logo.content) * 3 // 4 if brand.logo else 0
    if size > LIGHT_LOGO:
        problem = f"has {size} bytes, and every page carries it"
        yield DocumentError("brand.logo", problem, f"Make it smaller: {LIGHT_LOGO} bytes are light")
