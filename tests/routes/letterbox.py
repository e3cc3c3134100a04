"""What a patient finds in the letterbox: links made as the post makes them, followed as a patient follows them."""

from datetime import UTC, datetime, timedelta

from chalicelib.confirming import confirmed_by
from chalicelib.contact import Contact
from chalicelib.instants import instant
from chalicelib.links import Handle, Holder, Link, Power
from chalicelib.store import links, outbox
from tests.routes.client import Answer, Client, Fields
from tests.routes.conftest import House
from tests.routes.pages import decide, receipt_number

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


def confirmed(client: Client, house: House, clinic: str, fields: Fields, query: str = "") -> Answer:
    """Decide on the consent page, and confirm; errors and answer as for `confirm`."""
    return confirm(client, house, clinic, decide(client, clinic, fields, query))


def confirm(client: Client, house: House, clinic: str, answer: Answer) -> Answer:
    """Confirm what waits of a decision, from the letterbox of each contact that was typed; give the last answer.

    `answer` is the one to the consent form; nothing may have confirmed it yet. The last answer leads to the receipt of
    the last confirmation, or is `answer` itself where nothing has to be confirmed.
    """
    number = receipt_number(answer)
    typed = outbox.claimants(house.table, house.beside.clinics, clinic, number)
    document = house.beside.register.receipt(clinic, number).document
    shown = house.beside.clinics.version(clinic, document["notice"]["version"])
    for contact in typed:
        if asked := confirmed_by(document, shown, typed, contact):
            token = a_token(house, clinic, contact, Power.CONFIRM, number, asked)
            answer = client.post(f"/confirm/{token}", {"sure": "yes", "purpose": asked})
            assert answer.status == 303, answer.text
    return answer
