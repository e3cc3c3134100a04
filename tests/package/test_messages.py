"""Messages on the deployed stack: a decision sends a mail, after an outage it comes later."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.portal import get_portal
from chalicelib.store import outbox
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import SetBody
from infra.local.aws import REGION
from infra.local.post_office import Message, PostOffice
from infra.local.run import STACK
from tests.cast import RIGA, environment
from tests.conftest import LocalStack
from tests.messages.outgoing import marks_of
from tests.messages.test_bounces import MAIL, bounce
from tests.package.test_signing import client, operator, page
from tests.sample_messages import decoded

pytestmark = pytest.mark.bundle

SECONDS = 120


def office(local_stack: LocalStack) -> PostOffice:
    """Give the post office the stack sends to."""
    assert local_stack.post_office
    return local_stack.post_office


def mailbox(local_stack: LocalStack, accept: str = "application/json") -> Any:
    """Open the mailbox as a program does, or as a browser."""
    place = urlsplit(local_stack.base_url)
    request = urllib.request.Request(
        f"{place.scheme}://{place.netloc}/_mailbox", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request) as answer:
        body = answer.read().decode()
    return json.loads(body) if accept == "application/json" else body


def arrived(local_stack: LocalStack, address: str, number: int = 1) -> list[Message]:
    """Wait until somebody has so many messages, and give them."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = [each for each in mailbox(local_stack) if each["to"] == address]
        if len(found) >= number:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{SECONDS} seconds later {len(found)} of {number} have come")


def until(holds: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


def send(local_stack: LocalStack, path: str, fields: dict[str, str]) -> str:
    """Send a form as a browser does and give the page it leads to."""
    request = urllib.request.Request(f"{local_stack.base_url}{path}", urlencode(fields).encode())
    request.add_header("Origin", "{0.scheme}://{0.netloc}".format(urlsplit(local_stack.base_url)))
    with urllib.request.urlopen(request) as answer:
        return str(answer.read().decode())


def decide(local_stack: LocalStack, lang: str = "en", **fields: str) -> str:
    """Answer the questions of the clinic's page; fields with ``__`` for the dot."""
    place = f"/{RIGA}?lang={lang}"
    [state] = re.findall(r'name="state" value="([^"]+)"', page(local_stack, place))
    return send(
        local_stack, place, {"state": state, **{k.replace("__", "."): v for k, v in fields.items()}}
    )


def waiting(table: Table) -> list[outbox.OutboxItem]:
    """Give what is still to be told, due or not.

    What waits for room at somebody's contact is another test's flood.
    """
    now = instant(datetime.now(UTC))
    return [
        each
        for each in outbox.due_items(table, "9999")
        if each.entry.tries or each.entry.due <= now
    ]


@contextmanager
def table_of(local_stack: LocalStack) -> Iterator[Table]:
    """Look into the stack's table."""
    with environment(local_stack.settings):
        yield Table(local_stack.settings["TABLE_NAME"], region=REGION)


def resource(local_stack: LocalStack, name: str) -> str:
    """Give what the stack calls one of its resources."""
    found = client(local_stack, "cloudformation").describe_stack_resources(StackName=STACK)[
        "StackResources"
    ]
    [physical] = [each["PhysicalResourceId"] for each in found if each["LogicalResourceId"] == name]
    return str(physical)


def next_round(local_stack: LocalStack) -> None:
    """Let the clock's round come, when enough time has passed for everything that was put off."""
    with table_of(local_stack) as table:
        for each in waiting(table):
            due = json.dumps({**json.loads(each.body), "due": ""})
            with suppress(
                ConflictError
            ):  # the stream's function was just done with it, or put it off itself
                table.write([SetBody(each.key, due, was=each.body)])
    event = {
        "version": "0",
        "account": "0",
        "region": REGION,
        "detail": {},
        "detail-type": "Scheduled Event",
    }
    event |= {"source": "aws.events", "time": "2026-11-22T08:15:00Z", "id": "1", "resources": []}
    function = resource(local_stack, "CatchUp")
    answer = client(local_stack, "lambda").invoke(
        FunctionName=function, Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_a_decision_leads_to_a_mail_that_is_read_as_it_was_meant(local_stack: LocalStack) -> None:
    """The patient finds in the mailbox what to confirm, in HTML and in plain text."""
    assert "One more step" in decide(
        local_stack, decision__newsletter__email="yes", email="Letter.One@Example.org"
    )
    [mail] = arrived(local_stack, "letter.one@example.org")
    assert mail["channel"] == "email"
    assert decoded(mail["headers"]["From"]) == "Sidraba Rasa Aesthetic Clinic <consent@example.org>"
    assert (
        mail["headers"]["Subject"]
        == mail["subject"]
        == "Please confirm your Yes – Sidraba Rasa Aesthetic Clinic"
    )
    assert mail["headers"]["Reply-To"] == "info@riga-aesthetics.example.org"
    assert mail["headers"]["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in mail["headers"]
    assert re.search(
        rf"clinic={RIGA}, lookup=[0-9a-f]{{64}}, message=confirm",
        mail["headers"]["X-SES-MESSAGE-TAGS"],
    )
    link, receipt = re.findall(r'href="(http[^"]+)"', mail["html"])
    assert link in mail["text"]
    assert link.startswith(f"{local_stack.base_url}/confirm/")
    assert receipt in mail["text"]
    assert receipt.startswith(f"{local_stack.base_url}/{RIGA}/receipts/")
    assert "By e-mail" in page(local_stack, link.removeprefix(local_stack.base_url))


def test_a_text_message_is_a_code_and_a_link(local_stack: LocalStack) -> None:
    """Who has only a phone types six digits, or presses the link."""
    decide(local_stack, decision__newsletter__sms="yes", phone="26 111 222")
    [message] = arrived(local_stack, "+37126111222")
    assert (message["channel"], message["subject"], message["html"]) == ("sms", None, None)
    assert re.search(r"Confirm: .+\. Code \d{6} or ", message["text"])
    [link] = re.findall(r"https?://\S+", message["text"])
    assert link.startswith(f"{local_stack.base_url}/c/")
    assert "By text message" in page(local_stack, link.removeprefix(local_stack.base_url))


def test_the_mailbox_is_a_page_for_people(local_stack: LocalStack) -> None:
    """Who tries the portal sees the messages as readers do, with links, and no script runs."""
    decide(local_stack, "lv", decision__newsletter__email="yes", email="letter.two@example.org")
    arrived(local_stack, "letter.two@example.org")
    shown = mailbox(local_stack, "text/html,*/*;q=0.8")
    assert "letter.two@example.org" in shown
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="&lt;base' in shown
    assert shown.index("letter.two@example.org") < shown.rindex("</article>")
    assert "=?utf-8" not in shown.lower()
    assert "=?utf-8" in json.dumps(mailbox(local_stack)).lower()


def test_with_mail_and_text_messages_away_a_withdrawal_counts_and_is_told_later(
    local_stack: LocalStack,
) -> None:
    """What the patient decides never depends on the post.

    What could not be told is told when mail can be sent again.
    """
    email, phone = "letter.three@example.org", "+37126333444"
    with table_of(local_stack) as table:
        staff = {"subject": {"email": email, "phone": phone}, "channel": "in-person"}
        agreed = {"newsletter.email": "yes"}
        local_stack.call(
            RIGA,
            "receipts",
            {**staff, "decisions": agreed, "effective_at": datetime.now(UTC).isoformat()},
        )
        arrived(local_stack, email)
        office(local_stack).off = True
        try:
            stopped = send(
                local_stack,
                f"/{RIGA}/withdraw?lang=en",
                {"email": email, "phone": phone, "all": "yes"},
            )
            assert "It has stopped." in stopped
            assert local_stack.states(RIGA, {"email": email})["newsletter.email"] == "withdrawn"
            until(lambda: any(each.entry.tries for each in waiting(table)))
        finally:
            office(local_stack).mend()
        next_round(local_stack)
        assert len(arrived(local_stack, email, 2)) == 2
        assert len(arrived(local_stack, phone)) == 1
        assert not waiting(table)
        next_round(local_stack)
        assert len(arrived(local_stack, email, 2)) == 2


def test_what_the_mail_service_reports_reaches_the_contact(local_stack: LocalStack) -> None:
    """An address that bounces gets no more mail, by the topic to which SES reports."""
    email = "letter.four@example.org"
    decide(local_stack, decision__newsletter__email="yes", email=email)
    [mail] = arrived(local_stack, email)
    lookup = re.findall(r"lookup=([0-9a-f]{64})", mail["headers"]["X-SES-MESSAGE-TAGS"])[0]
    report = bounce(mail={**MAIL, "tags": {"clinic": [RIGA], "lookup": [lookup]}})
    with environment(local_stack.settings), table_of(local_stack) as table:
        local = {
            **local_stack.settings,
            "AWS_ENDPOINT_URL_SNS": local_stack.settings["AWS_ENDPOINT_URL"],
        }
        sns = client(LocalStack("", local_stack.log, local, {}), "sns")
        # Amazon's SNS writes out that there are no attributes, MiniStack leaves them out: so there
        # is one.
        attributes = {"by": {"DataType": "String", "StringValue": "ses"}}
        subject = "Amazon SES Email Event Notification"
        topic = resource(local_stack, "MailEvents")
        sns.publish(
            TopicArn=topic,
            Subject=subject,
            Message=json.dumps(report),
            MessageAttributes=attributes,
        )
        until(lambda: bool(marks_of(table, RIGA, lookup)))
        send(local_stack, f"/{RIGA}/withdraw?lang=en", {"email": email, "all": "yes"})
        until(lambda: not waiting(table))
        get_portal.cache_clear()
        assert get_portal().clinics.key(RIGA).lookup(Contact(ContactKind.EMAIL, email)) == lookup
    get_portal.cache_clear()
    assert len(arrived(local_stack, email)) == 1


def test_an_operator_lists_what_was_given_up_and_sends_it_again(local_stack: LocalStack) -> None:
    """A refused message is found by its person, not by its address, and goes once it can."""
    email = "letter.five@example.org"
    office(local_stack).fail("MessageRejected", to=email)
    try:
        decide(local_stack, decision__newsletter__email="yes", email=email)
        with table_of(local_stack) as table:
            until(lambda: bool(outbox.dead_letters(table, RIGA)))
        listed = operator(local_stack, "messages", "dead", RIGA)
        assert listed.returncode == 0, listed.stderr
        assert "confirm#email: refused MessageRejected" in listed.stdout
        assert "1 given up." in listed.stdout
        assert email not in listed.stdout
    finally:
        office(local_stack).mend()
    again = operator(local_stack, "messages", "retry", RIGA)
    assert (again.returncode, "1 put back" in again.stdout) == (0, True), again.stderr
    assert len(arrived(local_stack, email)) == 1
    assert "Nothing was given up." in operator(local_stack, "messages", "dead", RIGA).stdout
    assert operator(local_stack, "messages", "dead", "nobody").returncode == 1
