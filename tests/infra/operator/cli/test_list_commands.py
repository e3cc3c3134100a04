"""A clinic's people clean a mailing list, and put links into it, with one command each."""

import csv
import io
from pathlib import Path

import pytest

from infra.local.server import Reply, Request
from infra.operator.cli import imports, links, lists
from tests.cast import RIGA, TBILISI
from tests.infra.operator.cli.conftest import Served, Terminal
from tests.web.running import RunningPortal

PAPER = ("--channel", "paper", "--effective-at", "2026-11-20T10:00:00Z", "--form", "A 1")
LIST = "E-pasts;Vārds\r\nyes@list.example;Anna\r\nno@list.example;Jānis\r\nbroken\r\n;Nobody\r\n"


def _say_yes(consent: Terminal) -> None:
    words = ("record", "--email", "yes@list.example", "--yes", "newsletter.email", *PAPER)
    assert consent(*words).code == 0


def test_a_list_is_cleaned_and_comes_with_a_checked_certificate(consent: Terminal) -> None:
    """Marketing has on Monday what may be sent, and what proves it, beside each other."""
    _say_yes(consent)
    name = consent.write("list.csv", LIST)
    said = consent("scrub", name, "--purpose", "newsletter.email")
    assert (said.code, said.out) == (0, ""), said.err
    saved = (consent.folder / "list.permitted.csv").read_bytes().decode()
    assert saved == "E-pasts;Vārds\r\nyes@list.example;Anna\r\n"
    assert "line 4, 5" in said.err
    assert "yes@list.example" not in said.err
    checked = consent("verify", "list.permitted.csv.certificate.jwt", "--json")
    assert (checked.code, checked.json()["files"][0]["faults"]) == (0, []), checked.err
    assert checked.json()["files"][0]["list"] == "list.permitted.csv"
    assert consent("verify", "list.permitted.csv.certificate.jwt").code == 0


def test_a_list_that_was_changed_since_or_is_anothers_is_not_verified(consent: Terminal) -> None:
    """A row added by hand is noticed before the mailing goes out."""
    _say_yes(consent)
    name = consent.write("list.csv", LIST)
    report = consent("scrub", name, "--purpose", "newsletter.email", "--json").json()
    certificate = report["certificate"]
    assert report["statement"]["permitted"] == 1
    assert report["broken_lines"] == [4, 5]
    said = consent("verify", certificate, "--list", name)
    assert (said.code, "asked about" in said.err) == (1, True)
    said = consent("verify", certificate, "--clinic", TBILISI)
    assert (said.code, TBILISI in said.err) == (1, True)
    with Path(report["output"]).open("a", encoding="utf-8") as file:
        file.write("no@list.example;Janis\r\n")
    said = consent("verify", certificate)
    assert (said.code, "is not the list" in said.err) == (1, True)
    Path(certificate).write_text("a.b.c", encoding="utf-8")
    assert consent("verify", certificate).code == 1


def test_other_modes_have_files_of_their_own(consent: Terminal) -> None:
    """The list for the tool's block list, and the one for the spreadsheet, lie side by side."""
    _say_yes(consent)
    name = consent.write("list.csv", LIST)
    ask = ("scrub", name, "--purpose", "newsletter.email")
    assert consent(*ask, "--mode", "annotate").code == 0
    assert ";permitted;reason" in (consent.folder / "list.annotate.csv").read_text("utf-8")
    assert consent(*ask, "--mode", "blocklist", "--for", "mailchimp").code == 0
    blocked = (consent.folder / "list.blocklist-mailchimp.csv").read_text("utf-8")
    assert ("no@list.example" in blocked, "yes@list.example" in blocked) == (True, False)
    assert consent(*ask, "-o", name).code == 2
    assert (consent.folder / name).read_bytes().decode() == LIST


def test_a_list_goes_through_a_pipe(consent: Terminal) -> None:
    """No file is needed between two programs, and what is said stays out of the list."""
    _say_yes(consent)
    said = consent("scrub", "-", "--purpose", "newsletter.email", typed=LIST)
    assert said.code == 0
    assert said.out == "E-pasts;Vārds\r\nyes@list.example;Anna\r\n"
    assert list(consent.folder.iterdir()) == []


def test_a_list_that_cannot_be_read_is_explained(consent: Terminal) -> None:
    """The next try succeeds: the answer names the columns there are."""
    name = consent.write("list.csv", "Nobody;Knows\r\n1;2\r\n")
    said = consent("scrub", name, "--purpose", "newsletter.email")
    assert (said.code, "Knows" in said.err) == (1, True)
    assert consent("scrub", "nowhere.csv", "--purpose", "newsletter.email").code == 1
    said = consent("links", name)
    assert (said.code, "Knows" in said.err) == (1, True)
    assert not list(consent.folder.glob("list.*.csv"))


def test_an_answer_that_is_not_what_its_certificate_says_is_not_saved(
    consent: Terminal, served: Served
) -> None:
    """A list that was cut on its way is never sent to."""
    name = consent.write("list.csv", LIST)
    consent("scrub", name, "--purpose", "newsletter.email")
    inner = served.answer

    def cut(request: Request) -> Reply | None:
        if "/scrub" not in request.target:
            return None
        served.before = lambda _request: None
        whole = inner(request)
        return Reply(whole.status, whole.headers, whole.body + b"more@list.example;X\r\n")

    served.before = cut
    (consent.folder / "list.permitted.csv").unlink()
    said = consent("scrub", name, "--purpose", "newsletter.email")
    assert (said.code, "Do not use it" in said.err) == (1, True)
    assert not (consent.folder / "list.permitted.csv").exists()


def test_every_row_gets_its_link(consent: Terminal) -> None:
    """A mailing has its links in one command; rows without a contact are named."""
    count = 40
    rows = "".join(f'p{number}@link.example;"{number}; x"\r\n' for number in range(count))
    name = consent.write("list.csv", f"email;note\r\n{rows};nobody\r\nbroken\r\nno-mail;1")
    ask = ("links", name, "--purpose", "newsletter.email", "--days", "14")
    said = consent(*ask, "--json")
    report = said.json()
    assert (said.code, report["links"]) == (5, count), said.err
    assert report["broken_lines"] == [count + 2, count + 3, count + 4]
    content = (consent.folder / "list.links.csv").read_bytes()
    made = list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=";"))
    assert len({row["url"] for row in made}) == count
    assert made[7]["note"] == "7; x"
    assert made[7]["list_unsubscribe"] == f"<{made[7]['unsubscribe_url']}>"
    target = made[7]["url"].partition("/api")[2]
    assert consent.served.client.get(target).status == 200
    told = consent(*ask, "-o", "again.csv")
    assert f"{count} links" in told.err
    assert f"line {count + 2}, {count + 3}, {count + 4}" in told.err


def test_links_are_never_saved_over_the_list(consent: Terminal) -> None:
    """A slip with -o costs nobody the list, however its name is written."""
    name = consent.write("list.csv", "email\na@link.example\nbroken\n")
    whole = (consent.folder / name).read_bytes()
    for same in (name, f"../{consent.folder.name}/{name}"):
        said = consent("links", name, "-o", same)
        assert (said.code, "Name another -o FILE" in said.err) == (2, True)
    assert (consent.folder / name).read_bytes() == whole


@pytest.mark.parametrize("most_rows", [links.MOST_ROWS, imports.MOST_ROWS, lists.MOST_ROWS])
def test_a_list_of_few_long_rows_is_long_too(most_rows: int) -> None:
    """What one call cannot take for its bytes goes by a job, for whichever command it is."""
    assert lists.is_long(b"x" * (lists.MOST_BYTES + 1), most_rows)
    assert lists.is_long(b"\n" * (most_rows + 1), most_rows)
    assert not lists.is_long(b"x" * (lists.MOST_BYTES - most_rows) + b"\n" * most_rows, most_rows)


@pytest.mark.parametrize("command", ["links", "import", "scrub"])
def test_a_list_of_few_long_rows_goes_by_a_job(consent: Terminal, command: str) -> None:
    """Four megabytes in ten rows are not sent to a call that would refuse them."""
    name = consent.write("list.csv", "email;note\n" + f"a@link.example;{'x' * 410_000}\n" * 10)
    asked: list[str] = []

    def before(request: Request) -> Reply | None:
        asked.append(request.target.partition("/v1/clinics/")[2].partition("?")[0])
        return Reply(403, (), b"{}")

    consent.served.before = before
    more = {"import": ("--from", "sheet"), "links": ()}.get(
        command, ("--purpose", "newsletter.email")
    )
    consent(command, name, *more)
    assert asked == [f"{RIGA}/jobs"]


def test_links_need_the_scope_and_a_purpose_that_is_known(
    consent: Terminal, portal: RunningPortal
) -> None:
    """What is wrong with the whole call is not taken for a fault of every row."""
    name = consent.write("list.csv", "email\na@link.example\n")
    assert consent("links", name, "--purpose", "nonsense").code == 1
    consent.works_for(RIGA, portal.new_key(RIGA, "status:read"))
    assert consent("links", name).code == 3
    assert not (consent.folder / "list.links.csv").exists()
