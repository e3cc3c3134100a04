"""A mailing list comes back with the links of each person, ready for the mailing tool."""

import csv
import io
from urllib.parse import urlencode

import pytest

from tests.web.client import Answer, Client, Program
from tests.web.page_reader import open_page
from tests.web.running import RunningPortal

ADDED = ["url", "unsubscribe_url", "list_unsubscribe", "list_unsubscribe_post"]


def linked(program: Program, file: str | bytes, key: str = "", **said: str) -> Answer:
    """Send a list for links."""
    headers = {"Content-Type": "text/csv"} | ({"Idempotency-Key": key} if key else {})
    content = file if isinstance(file, bytes) else file.encode()
    return program.call(f"links?{urlencode(said)}" if said else "links", content, headers)


def path(address: str) -> str:
    """Give the place of an address at the portal."""
    return "/" + address.partition("/api/")[2]


def test_each_row_keeps_its_bytes_and_gets_links_that_work(
    portal: RunningPortal, client: Client
) -> None:
    """What reception wrote comes back as it was; the links behind it ask and stop."""
    program = portal.open_clinic()
    file = (
        "\ufeffE-pasts;Vārds;Piezīme\r\n"
        'anna.ozola@example.org;Anna;"sēž; pie loga"\r\n'
        "janis@example.org;Jānis;\r\n"
    ).encode()
    answer = linked(program, file, purposes="newsletter.email", lang="en")
    assert (answer.status, answer.headers["content-type"]) == (
        201,
        "text/csv; charset=utf-8; header=present",
    ), answer.text
    assert answer.headers["consent-links"] == "rows=2, linked=2"
    sent_lines, lines = file.split(b"\r\n"), answer.body.split(b"\r\n")
    for before, after in zip(sent_lines, lines, strict=True):
        assert after.startswith(before)
    header, anna, janis = csv.reader(
        io.StringIO(answer.body.decode("utf-8-sig"), newline=""), delimiter=";"
    )
    assert header[3:] == ADDED
    url, unsubscribe, first_header, second_header = anna[3:]
    assert (first_header, second_header) == (f"<{unsubscribe}>", "List-Unsubscribe=One-Click")
    page = open_page(client, path(url))
    assert "anna.ozola" not in page.words
    stopped = client.post(path(unsubscribe), {"List-Unsubscribe": "One-Click"})
    assert stopped.status == 200
    assert program.states(email="anna.ozola@example.org")["newsletter.email"] == "withdrawn"
    assert program.states(email="janis@example.org")["newsletter.email"] == "never_asked"
    assert len({*anna[3:5], *janis[3:5]}) == 4


def test_a_row_without_a_contact_is_left_out_and_told_by_its_line(portal: RunningPortal) -> None:
    """No mail goes out with an empty link."""
    file = "email,name\na@example.org,A\nnot one,B\n,C\nx,y,z\nd@example.org,D"
    answer = linked(portal.open_clinic(), file)
    assert [line.partition(b",")[0] for line in answer.body.splitlines()] == [
        b"email",
        b"a@example.org",
        b"d@example.org",
    ]
    assert answer.headers["consent-links"] == "rows=5, linked=2"
    assert answer.headers["consent-broken"] == (
        "unreadable_contact=1, no_contact=1, unreadable_row=1"
    )
    assert answer.headers["consent-broken-lines"] == "3, 4, 5"


def test_the_same_call_again_gives_the_same_links_and_another_list_is_refused(
    portal: RunningPortal,
) -> None:
    """A mailing that broke off is made again without two addresses for anybody."""
    program = portal.open_clinic()
    file = "email\na@example.org\nb@example.org\n"
    assert linked(program, file, "spring").body == linked(program, file, "spring").body
    assert linked(program, "email\nc@example.org\n", "spring").status == 422
    assert linked(program, file).body != linked(program, file).body


def test_only_a_key_that_may_gets_links_to_own_pages(portal: RunningPortal) -> None:
    """A mailing tool cannot open what patients decided."""
    program = portal.open_clinic()
    file = "email\na@example.org\n"
    assert b"manage" not in linked(program, file).body
    managing = linked(portal.managing(program.clinic), file)
    header, row = csv.reader(io.StringIO(managing.text))
    assert header[-1] == "manage_url"
    assert "/manage/" in row[-1]
    member = portal.member(portal.open_clinic("kaunas-polyclinics").clinic, "liepziedzio-vaistines")
    assert b"manage" not in linked(member, file).body


def test_a_thousand_rows_are_one_call_and_one_more_is_refused(portal: RunningPortal) -> None:
    """What is too long is told before anything is made."""
    program = portal.open_clinic()
    rows = [f"p{number}@example.org" for number in range(1001)]
    assert linked(program, "\n".join(["email", *rows[:1000]])).headers["consent-links"] == (
        "rows=1000, linked=1000"
    )
    assert linked(program, "\n".join(["email", *rows])).status == 422


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("email,url\na@example.org,x\n", {}),
        ("name\nAnna\n", {}),
        ("email\na@example.org\n", {"lang": "fi"}),
        ("email\na@example.org\n", {"purposes": "newsletter.fax"}),
        ("email\na@example.org\n", {"expires_in": "1"}),
        ("email\na@example.org\n", {"expires_in": "soon"}),
        ("email\na@example.org\n", {"hello": "x"}),
        ("", {}),
    ],
)
def test_what_cannot_be_linked_is_refused_with_the_reason(
    portal: RunningPortal, file: str, said: dict[str, str]
) -> None:
    """A program's author learns what to change; nothing is made."""
    answer = linked(portal.open_clinic(), file, **said)
    assert answer.status == 422, answer.text
    assert "example.org" not in answer.text


def test_another_clinics_key_makes_no_links(portal: RunningPortal) -> None:
    """Whose list it is, is the key's to say."""
    mine, other = portal.open_clinic(), portal.open_clinic()
    assert linked(Program(mine.clinic, other.key), "email\na@example.org\n").status == 404
