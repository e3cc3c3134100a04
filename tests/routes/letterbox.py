"""What a patient finds in the letterbox: links made as the post makes them, followed as a patient follows them."""

from datetime import UTC, datetime, timedelta

from chalicelib.contact import Contact
from chalicelib.instants import instant
from chalicelib.links import Handle, Holder, Link, Power
from chalicelib.store import links
from tests.routes.conftest import House

Addresses = tuple[str, ...]


def a_token(  # noqa: PLR0917 - a link has these parts
    house: House, clinic: str, contact: Contact, power: Power, receipt: str | None = None, addresses: Addresses = ()
) -> str:
    """Give the token of a link of this moment, good for an hour."""
    now = datetime.now(UTC)
    subject = house.beside.register.receipt(clinic, receipt).document["subject"] if receipt else None
    ends = instant(now + timedelta(hours=1))
    link = Link(clinic, subject, "lv", addresses, receipt, instant(now), ends, "portal")
    key, handle = house.beside.clinics.key(clinic), Handle.fresh()
    house.table.write(links.puts(key, [(handle, link, Holder(contact))]))
    return handle.token(key.link_secret(), power)
