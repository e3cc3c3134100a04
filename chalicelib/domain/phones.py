"""What a phone number is good for: whether it exists, in which country, and whether text messages may be sent to it.

A number that may be sent nothing is still a contact: its owner decides and withdraws by it.
"""

from collections.abc import Collection

from chalicelib.domain.contacts import Contact, ContactKind


def exists(number: str) -> bool:
    """Tell whether a number in its normal form (E.164) is one that some country has given out."""
    import phonenumbers  # noqa: PLC0415 - 40 ms that no page view needs

    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def country(number: str) -> str | None:
    """Give the country a number (E.164) belongs to, by ISO 3166; None for satellites and other networks of none."""
    import phonenumbers  # noqa: PLC0415 - as above

    region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def takes_texts(number: str, countries: Collection[str]) -> bool:
    """Tell whether text messages may be sent to a number (E.164), where they go to these countries alone.

    It must be a mobile number, or one of a country that does not tell mobile numbers from others. Never a premium or
    shared-cost number, a satellite or an internet phone: strangers earn by messages to those (SMS pumping).
    """
    import phonenumbers  # noqa: PLC0415 - as above

    parsed = phonenumbers.parse(number)
    mobile = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
    # The type of a number that does not exist is unknown.
    return phonenumbers.number_type(parsed) in mobile and country(number) in countries


def can_be_written_to(contact: Contact, countries: Collection[str]) -> bool:
    """Tell whether a message can go to a contact, where text messages go to these countries alone."""
    if contact.kind is ContactKind.PHONE:
        return takes_texts(contact.value, countries)
    return contact.kind is ContactKind.EMAIL


def known_countries() -> Collection[str]:
    """Give every country that has phone numbers, by ISO 3166."""
    import phonenumbers  # noqa: PLC0415 - as above

    return phonenumbers.SUPPORTED_REGIONS
