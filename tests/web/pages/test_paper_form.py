"""What patients keep and clinics print arrives whole, through API Gateway too."""

import itertools
import re

import pytest

from chalicelib.portal import get_portal
from tests.cast import RIGA, TBILISI, environment
from tests.pdf_file import PdfFile, VisibleText
from tests.web.client import MOUNTS, Answer, Client
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
_numbers = itertools.count()
YES = {
    "decision.newsletter.email": "yes",
    "decision.newsletter.sms": "yes",
    "decision.testimonials.text": "no",
}


def _decided(client: Client, lang: str = "lv") -> str:
    """Decide as somebody called Anna, and give the receipt's address."""
    number = next(_numbers)
    anna = {
        "name": "Anna Ozoliņa-Bērziņa",
        "email": f"anna.{number}@example.org",
        "phone": f"+371 261{number:05d}",
    }
    answer = decide(client, RIGA, {**YES, **anna, "adult": "yes"}, f"?lang={lang}")
    return f"/{RIGA}/receipts/{receipt_number(answer)}"


def _paper(answer: Answer) -> PdfFile:
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    return PdfFile(answer.body)


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_patient_keeps_the_receipt_as_pdf_with_the_page_they_saw(mount: str) -> None:
    """One press on the receipt's page gives the paper: answers, fingerprints, a code that leads to
    the check.
    """
    client = Client(MOUNTS[mount])
    address = _decided(client)
    link = re.search(r'href="(\?lang=lv&amp;format=pdf)"', client.get(f"{address}?lang=lv").text)
    assert link
    answer = client.get(address + link[1].replace("&amp;", "&"))
    paper = _paper(answer)
    number = address.rpartition("/")[2]
    assert (
        answer.headers["content-disposition"] == f'inline; filename="consent-receipt-{number}.pdf"'
    )
    assert answer.headers["cache-control"] == "no-store"
    words = " ".join(paper.words)
    assert number in words
    assert get_portal().receipts.find(RIGA, number).sha256 in words
    shown = re.search(rf"/{RIGA}/shown/([0-9a-f]{{64}})", words.replace(" ", ""))
    assert shown
    assert "Labdien! Šeit Jūs izlemjat" in client.get(f"/{RIGA}/shown/{shown[1]}").text
    assert "Labdien! Šeit Jūs izlemjat" in words
    assert [code.partition("?")[0] for code in paper.codes()] == [
        f"https://portal.example.org{client.mount}/verify"
    ]


def test_nothing_of_a_person_is_on_the_paper(client: Client) -> None:
    """A receipt left in the printer tells nobody who decided."""
    address = _decided(client)
    paper = _paper(client.get(f"{address}?format=pdf"))
    page = client.get(f"{address}?format=html")
    for text in (" ".join(paper.words), paper.copied(), page.text, str(paper.reader.metadata)):
        for told in ("Anna", "Ozoliņa", "anna.paper", "26 123 457", "26123457"):
            assert told not in text


@pytest.mark.parametrize("accept", [None, BROWSER, "application/pdf", "text/html", "image/png"])
def test_the_bytes_arrive_whatever_the_browser_accepts(client: Client, accept: str | None) -> None:
    """The address bar, a download link and a printer's app alike."""
    sent = {"Accept": accept} if accept else {}
    for target in (f"{_decided(client)}?format=pdf", f"/{RIGA}/form?lang=ru"):
        answer = client.get(target, sent)
        assert answer.body.startswith(b"%PDF-1.7\n")
        assert answer.body.endswith(b"%%EOF")
        assert _paper(answer).words


def test_the_same_receipt_is_the_same_file_whenever_it_is_asked_for(client: Client) -> None:
    """A copy kept today equals one fetched next year."""
    address = _decided(client)
    assert client.get(f"{address}?format=pdf").body == client.get(f"{address}?format=pdf").body
    assert client.get(f"/{RIGA}/form?lang=en").body == client.get(f"/{RIGA}/form?lang=en").body


def test_a_receipt_is_given_as_a_page_that_stands_alone_too(client: Client) -> None:
    """The same words, for whom a PDF is of no use; its own styles are allowed and nothing else."""
    address = _decided(client, "ru")
    answer = client.get(f"{address}?format=html&lang=ru")
    assert answer.status == 200
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert answer.text.startswith('<!doctype html>\n<html lang="ru">')
    assert 'data-address="https://portal.example.org/api/verify?code=' in answer.text


@pytest.mark.parametrize("unknown", ["docx", "PDF", "json"])
def test_a_format_that_is_none_is_not_found(client: Client, unknown: str) -> None:
    """A mistyped address says so."""
    assert client.get(f"{_decided(client)}?format={unknown}").status == 404
    assert client.get(f"/{RIGA}/receipts/{'0' * 32}?format=pdf").status == 404


def test_a_paper_signed_earlier_shows_when_it_was_signed_and_when_it_was_entered(
    portal: RunningPortal, client: Client
) -> None:
    """And the text is that of the notice in force then, in the language of the paper."""
    program = portal.open_clinic(TBILISI)
    body = {
        "subject": {"phone": "+995 555 12 99 99"},
        "decisions": {"newsletter.sms": "yes"},
        "channel": "paper",
        "effective_at": "2026-11-10T10:00:00+04:00",
        "evidence": {"form": "F-2026-17"},
        "lang": "ka",
    }
    answer = program.call("receipts", body)
    assert answer.status == 201
    number = answer.json()["id"]
    words = " ".join(
        _paper(client.get(f"/{program.clinic}/receipts/{number}?format=pdf&lang=en")).words
    )
    assert "Decided 10 November 2026" in words
    assert "Recorded" in words
    assert "On paper" in words
    assert "F-2026-17" not in words
    assert "თქვენ წყვეტთ" in words


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_clinic_prints_its_form_and_the_code_on_it_leads_to_the_notice(
    portal: RunningPortal, mount: str
) -> None:
    """Whoever enters the paper later sees which text was signed, for every clinic and language."""
    client = Client(MOUNTS[mount])
    for clinic in portal.api_keys:
        for lang in get_portal().directory.look_up(clinic).published.clinic.languages:
            answer = client.get(f"/{clinic}/form?lang={lang}")
            paper = _paper(answer)
            assert (
                answer.headers["content-disposition"]
                == f'inline; filename="consent-form-{clinic}-1.0-{lang}.pdf"'
            )
            (address,) = paper.codes()
            own = f"https://portal.example.org{client.mount}"
            assert address == f"{own}/{clinic}/notices/1.0?lang={lang}"
            assert client.get(address.removeprefix(own)).status == 200
            (sha256,) = set(re.findall(r"\b[0-9a-f]{64}\b", paper.copied()))
            assert client.get(f"/{clinic}/shown/{sha256}").status == 200


def test_the_form_follows_the_notice_in_force(portal: RunningPortal, client: Client) -> None:
    """Nobody signs yesterday's text."""
    program = portal.open_clinic()
    before = client.get(f"/{program.clinic}/form?lang=en")
    portal.republish(
        program.clinic, "1.1", lambda document: document["name"].update(en="The Renamed Clinic")
    )
    after = _paper(client.get(f"/{program.clinic}/form", {"Accept-Language": "en"}))
    assert "Renamed" not in " ".join(_paper(before).words)
    assert "Renamed" in " ".join(after.words)
    assert after.codes() == [f"https://portal.example.org/api/{program.clinic}/notices/1.1?lang=en"]


def test_a_form_asks_nothing_whose_last_day_is_over(portal: RunningPortal, client: Client) -> None:
    """A contest that ended is on no new paper."""

    def ended(document: dict) -> None:  # type: ignore[type-arg]
        contests = next(each for each in document["purposes"] if each["id"] == "contests")
        for option, day in zip(contests["options"], ("2026-11-02", "2099-01-01"), strict=True):
            option["ends"] = day

    program = portal.open_clinic(RIGA, ended)
    words = " ".join(_paper(client.get(f"/{program.clinic}/form?lang=en")).words)
    assert "Autumn Moment" not in words
    assert "Winter Gift" in words


def test_a_portal_with_an_address_of_its_own_prints_that_one(
    portal: RunningPortal, client: Client
) -> None:
    """The paper leads to the address patients know."""
    assert portal.api_keys
    with environment({"PUBLIC_URL": "https://consent.example.org/"}):
        get_portal.cache_clear()
        paper = _paper(client.get(f"/{RIGA}/form?lang=lv"))
    get_portal.cache_clear()
    assert paper.codes() == [f"https://consent.example.org/{RIGA}/notices/1.0?lang=lv"]


def test_the_full_notice_of_a_version_is_printed_as_it_was_published(
    portal: RunningPortal, client: Client
) -> None:
    """Whoever wants the whole text on paper has it, with the version and its fingerprint."""
    for clinic in portal.api_keys:
        lang = get_portal().directory.look_up(clinic).published.clinic.languages[0]
        page = client.get(f"/{clinic}/notices/1.0?lang={lang}")
        answer = client.get(f"/{clinic}/notices/1.0?lang={lang}&format=pdf")
        paper = _paper(answer)
        assert answer.headers["content-disposition"] == (
            f'inline; filename="notice-{clinic}-1.0-{lang}.pdf"'
        )
        full = get_portal().clinics.full_notice(clinic, "1.0", lang)
        article = VisibleText(full.html, without=("nav",), hidden=("noprint",)).words
        start = paper.words.index(article[0], 1)
        assert paper.words[start:] == article
        assert full.sha256 in paper.copied()
        assert full.sha256 in page.text
        assert next(each.tag for each in paper.read_aloud if each.tag.startswith("H")) == "H1"
    assert client.get(f"/{RIGA}/notices/1.0?format=html").status == 404
    assert client.get(f"/{RIGA}/notices/9.9?format=pdf").status == 404


def test_a_notice_that_is_no_longer_in_force_says_so_on_paper(
    portal: RunningPortal, client: Client
) -> None:
    """Nobody takes a printed text of last year for the one that holds."""
    program = portal.open_clinic()
    portal.republish(program.clinic, "1.1")
    printed = _paper(client.get(f"/{program.clinic}/notices/1.0?lang=en&format=pdf"))
    assert "This is an earlier version, kept as proof." in " ".join(printed.words)


def test_where_nothing_can_be_printed_a_page_says_so_and_nothing_is_lost(
    portal: RunningPortal, client: Client
) -> None:
    """A patient reads what to do, a program when to ask again; deciding needs no press."""
    program = portal.program()
    with environment({"PRESS_FUNCTION": "a-press-that-is-away"}):
        get_portal.cache_clear()
        address = _decided(client, "ka")
        assert client.get(f"{address}?lang=ka").status == 200
        for target in (
            f"{address}?format=pdf",
            f"/{RIGA}/form?x=",
            f"/{RIGA}/notices/1.0?format=pdf",
        ):
            answer = client.get(f"{target}&lang=lv")
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "Šobrīd to nevar izdrukāt" in answer.text
            assert "Nekas nav zudis." in answer.text
        number = address.rpartition("/")[2]
        refused = program.receipt(number, "?format=pdf")
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["title"] == "Cannot be printed just now"
        assert program.receipt(number).status == 200
    get_portal.cache_clear()
    assert _paper(client.get(f"{address}?format=pdf")).words


def test_an_unknown_clinic_has_no_form(client: Client) -> None:
    """A page in the visitor's language says so."""
    answer = client.get("/nowhere/form", {"Accept-Language": "ka"})
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert '<html lang="ka">' in answer.text
