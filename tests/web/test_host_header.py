"""Where links lead is the portal's own word: no header of a request changes it."""

import re
from collections.abc import Mapping

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import LinkScope
from chalicelib.messages.delivery import Delivery
from chalicelib.messages.transports import Email
from tests.codes import code_in
from tests.web.client import Answer, Client
from tests.web.letterbox import Bag, a_token
from tests.web.page_reader import decide, open_page, receipt_number
from tests.web.running import RunningPortal

EVIL = "evil.example"
FORGED: dict[str, Mapping[str, str]] = {
    "host": {"Host": EVIL},
    "host with a port": {"Host": f"{EVIL}:8443"},
    "proxy headers": {
        "X-Forwarded-Host": EVIL,
        "X-Forwarded-Server": EVIL,
        "X-Original-Host": EVIL,
        "X-Host": EVIL,
        "X-Forwarded-Prefix": f"//{EVIL}",
        "X-Original-URL": f"https://{EVIL}/",
        "Forwarded": f"host={EVIL};proto=http",
        "Origin": f"https://{EVIL}",
    },
    "scheme": {"X-Forwarded-Proto": f"https://{EVIL}/?"},
    "all": {"Host": EVIL, "X-Forwarded-Host": EVIL, "Forwarded": f"host={EVIL}"},
}
EMAIL = Contact(ContactKind.EMAIL, "anna.host@example.org")


class Forger(Client):
    """A browser whose every request carries forged headers."""

    def __init__(self, forged: Mapping[str, str]) -> None:
        super().__init__()
        self.forged = forged
        self.answers: list[Answer] = []

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it, and keep the answer."""
        same_site = {"Sec-Fetch-Site": "same-origin"}
        answer = super().send(method, target, body, {**headers, **same_site, **self.forged})
        self.answers.append(answer)
        return answer


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_header_is_found_in_no_page_code_header_or_message(
    portal: RunningPortal, forged: Mapping[str, str]
) -> None:
    """Nobody can have Anna's own clinic send her a link that leads to somebody else."""
    program = portal.open_clinic()
    clinic, client = program.clinic, Forger(forged)
    fields = {
        "decision.newsletter.email": "yes",
        "decision.newsletter.sms": "yes",
        "email": EMAIL.value,
        "phone": "26 444 777",
    }
    number = receipt_number(decide(client, clinic, fields))
    client.get(f"/{clinic}/receipts/{number}?lang=lv")
    state = open_page(client, f"/{clinic}/link").fields["state"]
    assert client.post(f"/{clinic}/link", {"state": state, "email": EMAIL.value}).status == 303
    state = open_page(client, f"/{clinic}/withdraw").fields["state"]
    assert (
        client.post(
            f"/{clinic}/withdraw", {"state": state, "email": EMAIL.value, "all": "yes"}
        ).status
        == 303
    )
    state = open_page(client, f"/{clinic}/kiosk?lang=lv").fields["state"]
    kiosk = {"state": state, "decision.newsletter.email": "no", "email": "other.host@example.org"}
    assert client.post(f"/{clinic}/kiosk?lang=lv", kiosk).status == 200
    token = a_token(portal, clinic, EMAIL, LinkScope.MANAGE, number)
    client.get(f"/manage/{token}")
    client.get(f"/{clinic}/notices/1.0?lang=lv")
    program.client = client
    program.call("links", {"links": [{"email": EMAIL.value, "purposes": ["newsletter"]}]})
    code = client.get(f"/{clinic}/qr/signup.png")
    paper = client.get(f"/{clinic}/form?lang=lv")

    assert code_in(code.body).startswith(f"https://portal.example.org{client.mount}/q/")
    assert [answer for answer in client.answers if 200 <= answer.status < 400]
    for answer in client.answers:
        assert EVIL.encode() not in answer.body
        assert EVIL not in repr(answer.headers)
    assert paper.body.startswith(b"%PDF")

    bag = Bag()
    delivery = Delivery(portal.in_process.table, portal.in_process.clinics, bag)  # type: ignore[arg-type]
    for _ in range(2):
        delivery.carry_waiting(lambda: False)
    sent = [
        repr((each.subject, each.text, each.html, each.headers))
        if isinstance(each, Email)
        else each.text
        for each in bag.sent
    ]
    own = [text for text in sent if f"/{clinic}" in text or "/confirm/" in text]
    assert own
    assert not [text for text in sent if EVIL in text]
    links = {link for text in own for link in re.findall(r"https?://[^/\s\"'<>]+", text)}
    assert links == {"https://portal.example.org"}


def test_the_pictures_tell_what_the_gateway_says(client: Client, portal: RunningPortal) -> None:
    """Under a domain of its own the code leads there, whatever the request was called."""
    clinic = portal.open_clinic().clinic
    own = Client("", host="consent.example.org")
    answer = own.get(
        f"/{clinic}/qr/signup.png", {"Host": "a1b2c3.execute-api.eu-north-1.amazonaws.com"}
    )
    assert code_in(answer.body).startswith("https://consent.example.org/q/")
    assert client.get(f"/{clinic}").status == 200
