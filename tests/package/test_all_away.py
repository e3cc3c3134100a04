"""Mail, text messages and signing all fail: withdrawing still works, the rest follows later."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chalicelib.receipts import jws
from chalicelib.store import outbox
from tests.cast import RIGA, environment
from tests.conftest import LocalStack
from tests.package.test_messages import (
    arrived,
    decide,
    mailbox,
    next_round,
    office,
    send,
    table_of,
    waiting,
)
from tests.package.test_signing import key_away, page, signed

pytestmark = pytest.mark.bundle

WHOM = "all.away@example.org"


@contextmanager
def post_away(local_stack: LocalStack) -> Iterator[None]:
    """Let neither SES nor SNS answer for a while."""
    office(local_stack).off = True
    try:
        yield
    finally:
        office(local_stack).off = False


def test_a_withdrawal_needs_nothing_but_the_table(local_stack: LocalStack) -> None:
    """The withdrawal is effective before the page comes; messages and signature follow later."""
    subject = {"email": WHOM}
    decide(local_stack, decision__contests__autumn_photo="yes", email=WHOM, name="Anna")
    arrived(local_stack, WHOM)
    assert local_stack.states(RIGA, subject)["contests.autumn_photo"] == "granted"
    with environment(local_stack.settings), key_away(local_stack), post_away(local_stack):
        place = f"/{RIGA}/withdraw?lang=en"
        [state] = re.findall(r'name="state" value="([^"]+)"', page(local_stack, place))
        done = send(local_stack, place, {"state": state, "email": WHOM, "all": "yes"})
        assert "Done. It has stopped." in done
        assert local_stack.states(RIGA, subject)["contests.autumn_photo"] == "withdrawn"
        [number] = re.findall(r'class="mono">([0-9a-f]{32})<', done)
        receipt = json.loads(local_stack.call(RIGA, f"receipts/{number}"))
        next_round(local_stack)
        with table_of(local_stack) as table:
            assert number in {each.number for each in waiting(table)}
            assert number in {each.number for each in outbox.unsigned_items(table)}
        assert len([each for each in mailbox(local_stack) if each["to"] == WHOM]) == 1
    next_round(local_stack)
    mail = arrived(local_stack, WHOM, 2)[-1]
    assert mail["subject"].startswith("We have stopped what you asked us to stop")
    assert "/undo/" in mail["text"]
    jwks = json.loads(page(local_stack, "/.well-known/jwks.json"))
    assert jws.verify(signed(local_stack, receipt, 0), jwks).document == receipt


def test_a_withdrawal_needs_nothing_that_makes_paper(
    monkeypatch: pytest.MonkeyPatch, local_stack: LocalStack
) -> None:
    """Where the PDF cannot be made (its code does not even load), stopping works.

    The PDF comes when that is mended.
    """
    from tests.web.client import Client  # noqa: PLC0415 - the application reads its settings when it is loaded
    from tests.web.page_reader import open_page, receipt_number  # noqa: PLC0415 - as above

    contact = {"email": "no.paper@example.org"}
    with environment({**local_stack.settings, "PUBLIC_URL": ""}):
        client = Client()
        with monkeypatch.context() as broken:
            # The table of formats is light: the receipt's page names them by it.
            for name in ("chalicelib.receipts.formats.paper", "chalicelib.presentation.press"):
                broken.setitem(sys.modules, name, None)
            place = f"/{RIGA}/withdraw?lang=en"
            fields = {"state": open_page(client, place).fields["state"], "all": "yes", **contact}
            number = receipt_number(client.post(place, fields))
            with pytest.raises(
                AssertionError, match="answers 500"
            ):  # nobody was told of that, so the client complains
                client.get(f"/{RIGA}/receipts/{number}?lang=en&format=pdf")
            assert client.get(f"/{RIGA}/receipts/{number}?lang=en").status == 200
        paper = client.get(f"/{RIGA}/receipts/{number}?lang=en&format=pdf")
        assert (paper.status, paper.body[:5]) == (200, b"%PDF-")
