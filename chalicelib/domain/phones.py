"""Phone numbers: whether one exists, in which country, and whether it may be sent text messages.

A number that gets no text messages is still a contact: its owner decides and withdraws by it.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.domain.contacts import Contact

_INTERNATIONAL = re.compile(r"\+[\d ()./\u00a0-]{7,}")


def dialled(written: str) -> str:
    """Give a number as a phone dials it (RFC 3966): "+" and digits; "" unless it begins with "+".

    A number without its country is not the same from abroad, and a phone is not asked to guess.
    """
    if not _INTERNATIONAL.fullmatch(written):
        return ""
    return "+" + re.sub(r"\D", "", written)


def exists(number: str) -> bool:
    """Tell whether a number (E.164) is in a range that some country has given out."""
    import phonenumbers  # noqa: PLC0415 - 40 ms that no page view needs

    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def country(number: str) -> str | None:
    """Give the country (ISO 3166) of a number (E.164); None for satellites and the like."""
    import phonenumbers  # noqa: PLC0415 - as above

    region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def takes_texts(number: str, countries: Collection[str]) -> bool:
    """Tell whether a number (E.164) may be sent text messages, which go to these countries only.

    It must be a mobile number, or of a country where those look like all others. Never a premium or
    shared-cost number, a satellite or an internet phone: others earn by messages to those (SMS
    pumping).
    """
    import phonenumbers  # noqa: PLC0415 - as above

    parsed = phonenumbers.parse(number)
    types = phonenumbers.PhoneNumberType
    mobile = {types.MOBILE, types.FIXED_LINE_OR_MOBILE}
    # A number that does not exist is of an unknown type.
    return phonenumbers.number_type(parsed) in mobile and country(number) in countries


def can_be_written_to(contact: "Contact", countries: Collection[str]) -> bool:
    """Tell whether a message can go to a contact; text messages go to these countries only."""
    from chalicelib.domain.contacts import ContactKind  # noqa: PLC0415 - the first page writes to nobody

    if contact.kind is ContactKind.PHONE:
        return takes_texts(contact.value, countries)
    return contact.kind is ContactKind.EMAIL


def known_countries() -> Collection[str]:
    """Give every country that has phone numbers, by ISO 3166."""
    import phonenumbers  # noqa: PLC0415 - as above

    return phonenumbers.SUPPORTED_REGIONS
