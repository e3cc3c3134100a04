"""A recipient without a program says on a page that what a mail asked for is done."""

import pytest

from chalicelib.domain.webhooks import acknowledgement_token
from tests.cast import TBILISI
from tests.web.client import Client, Program
from tests.web.running import RunningPortal


def a_test_event(portal: RunningPortal, like: str) -> tuple[Program, str, str]:
    """Open a clinic with a recipient that gets mails; give its program, a delivery and its link."""
    program = portal.open_clinic(like)
    body = {"email": "desk@partner.example.org", "purposes": ["newsletter"]}
    program.call("webhooks/partner", body, method="PUT")
    delivery = program.call("webhooks/partner/test", b"").json()["id"]
    proof = portal.in_process.clinics.key(program.clinic).acknowledgement(delivery)
    return (
        program,
        delivery,
        f"/acknowledge/{acknowledgement_token(program.clinic, delivery, proof)}",
    )


@pytest.mark.parametrize("like", ["riga-aesthetics", TBILISI, "vilnius-dental"])
def test_the_page_shows_and_the_button_acknowledges(
    portal: RunningPortal, client: Client, like: str
) -> None:
    """In each language of the clinic; opening the page changes nothing."""
    program, delivery, address = a_test_event(portal, like)
    languages = portal.in_process.directory.look_up(program.clinic).published.clinic.languages
    pages = {lang: client.get(f"{address}?lang={lang}") for lang in languages}
    assert {page.status for page in pages.values()} == {200}
    assert len({page.text for page in pages.values()}) == len(languages)
    assert all(f'<html lang="{lang}">' in page.text for lang, page in pages.items())
    assert "This is a test. Nothing has changed." in pages["en"].text
    [told] = program.get("deliveries?acknowledged=false").json()["deliveries"]
    assert (told["id"], told["acknowledged_at"]) == (delivery, None)
    done = client.post(f"{address}?lang=en", {})
    assert done.status == 200
    assert "Thank you. The clinic sees that it is done." in done.text
    assert "<form" not in client.get(f"{address}?lang=en").text
    assert program.get("deliveries?acknowledged=false").json()["deliveries"] == []
    [told] = program.get("deliveries?acknowledged=true").json()["deliveries"]
    assert told["acknowledged_by"] == "page"
    assert client.post(address, {}).status == 200


def test_a_link_that_was_not_sent_opens_nothing(portal: RunningPortal, client: Client) -> None:
    """And a form on another website acknowledges nothing."""
    program, delivery, address = a_test_event(portal, TBILISI)
    for wrong in (f"{address}0", f"/acknowledge/{program.clinic}.{delivery}.0", "/acknowledge/x"):
        assert client.get(wrong).status == 404
        assert client.post(wrong, {}).status == 404
    assert client.get("/acknowledge/nobody.msg_1.2").status == 404
    crossed = client.post(address, {}, {"Sec-Fetch-Site": "cross-site"})
    assert crossed.status == 403
    assert len(program.get("deliveries?acknowledged=false").json()["deliveries"]) == 1
