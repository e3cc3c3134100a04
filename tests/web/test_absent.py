"""What is not there, and what cannot be read, is said in the visitor's language."""

import pytest

from chalicelib.domain.languages import LANGUAGES
from chalicelib.presentation.i18n import catalog
from chalicelib.store.clinics import Clinics, Published
from chalicelib.web.requests import MAX_FORM
from tests.cast import RIGA, TBILISI
from tests.web.client import FORM, Client
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal

HEADINGS = {
    "lv": "Lapa nav atrasta",
    "lt": "Puslapis nerastas",
    "ka": "გვერდი ვერ მოიძებნა",
    "ru": "Страница не найдена",
    "en": "Page not found",
}
ABSENT = [
    "/nobody",
    "/nobody/withdraw",
    "/nobody/notices/1.0",
    "/nobody/qr/signup.png",
    f"/{RIGA}/notices/9.9",
    f"/{RIGA}/notices/latest",
    f"/{RIGA}/notices/" + "1" * 1500,
    f"/{RIGA}/receipts/{'0' * 32}",
    f"/{RIGA}/receipts/" + "f" * 2500,
    f"/{RIGA}/shown/{'0' * 64}",
    f"/{RIGA}/shown/everything",
    f"/{RIGA}/qr/signup.gif",
    f"/{RIGA}/qr/poster.png",
    f"/{RIGA}/qr/signup",
    f"/{RIGA}/qr/signup.png?src=%3Cscript%3E",
    "/q/ra",
    "/q/ra-x",
    "/q/zz-s",
    "/q/ra-s-lv-" + "x" * 40,
    "/" + "a" * 2500,
    "/anna.ozola%40example.org",
    "/%00",
    "/..%2f..%2fetc",
]


@pytest.mark.parametrize("target", ABSENT)
def test_an_unknown_address_gives_a_page_that_says_so(client: Client, target: str) -> None:
    """Whoever mistypes, or scans an old poster, is told what to do next."""
    answer = client.get(target)
    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"
    assert HEADINGS["en"] in Page(answer).words


def test_an_address_of_the_portal_itself_is_looked_for_among_no_clinics(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that was cut costs no reading of the table for a clinic that cannot be."""
    asked: list[str] = []
    in_force = Clinics.in_force

    def watched(clinics: Clinics, clinic: str) -> Published:
        asked.append(clinic)
        return in_force(clinics, clinic)

    monkeypatch.setattr(Clinics, "in_force", watched)
    for target in ("/manage/cut", "/confirm/cut", "/verify/cut", "/nobody"):
        assert client.get(target).status in {404, 410}
    assert set(asked) == {"nobody"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_that_is_not_there_speaks_every_language(client: Client, lang: str) -> None:
    """By the link's language or by the browser's."""
    heading = HEADINGS.get(lang) or catalog(lang).gettext("Page not found")
    for answer in (
        client.get("/nobody", {"Accept-Language": f"de, {lang};q=0.5"}),
        client.get(f"/{RIGA}/receipts/{'0' * 32}?lang={lang}"),
        client.get(f"/q/zz-s?lang={lang}", {"Accept-Language": "lv"}),
        client.post(f"/nobody?lang={lang}", {"all": "yes"}),
        client.post(f"/nobody/withdraw?lang={lang}", {"all": "yes"}),
    ):
        assert answer.status == 404
        assert Page(answer).lang == lang
        assert heading in Page(answer).words


def test_another_clinics_receipt_and_page_are_not_found(client: Client) -> None:
    """A number says nothing at a clinic it does not belong to."""
    answer = decide(client, RIGA, {"decision.newsletter.email": "no"})
    number = receipt_number(answer)
    shown = next(
        link for link in Page(client.follow(answer)).links if "/shown/" in link
    ).rpartition("/")[2]
    assert client.get(f"/{RIGA}/receipts/{number}").status == 200
    assert client.get(f"/{TBILISI}/receipts/{number}").status == 404
    assert client.get(f"/{TBILISI}/shown/{shown}").status == 404


GOOD = "decision.newsletter.email=no&state="
UNREADABLE = {
    "no type": (415, {}, GOOD.encode()),
    "json": (415, {"Content-Type": "application/json"}, b"{}"),
    "multipart": (415, {"Content-Type": "multipart/form-data; boundary=x"}, b"--x--"),
    "broken utf-8": (400, {"Content-Type": FORM}, b"decision.newsletter.email=\xff\xfe"),
    "broken utf-8, escaped": (400, {"Content-Type": FORM}, b"name=%ff%fe"),
    "500 fields": (
        400,
        {"Content-Type": FORM},
        "&".join(f"decision.x{n}=yes" for n in range(500)).encode(),
    ),
    "too large": (413, {"Content-Type": FORM}, b"name=" + b"x" * MAX_FORM),
}


@pytest.mark.parametrize("page", ["", "/withdraw"])
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_body_that_is_no_form_is_refused_in_the_patients_language(
    client: Client, portal: RunningPortal, kind: str, page: str
) -> None:
    """A broken browser or a scanner stores nothing and is told so."""
    status, headers, body = UNREADABLE[kind]
    before = portal.items()
    for lang in ("lv", "ka"):
        answer = client.send("POST", f"/{RIGA}{page}?lang={lang}", body, headers)
        assert answer.status == status
        assert Page(answer).lang == lang
    assert portal.items() == before


def test_the_form_type_may_name_its_charset_in_any_case(client: Client) -> None:
    """Browsers and frameworks spell the type in their own ways."""
    state = open_page(client, f"/{RIGA}").fields["state"]
    body = f"decision.newsletter.email=no&state={state}".encode()
    answer = client.send(
        "POST",
        f"/{RIGA}",
        body,
        {"content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"},
    )
    assert answer.status == 303


@pytest.mark.parametrize("target", ["notices/9.9", "withdraww", f"receipts/{'0' * 32}"])
def test_what_a_clinic_does_not_have_is_said_in_its_name_with_a_way_on(
    client: Client, target: str
) -> None:
    """Whoever mistypes the end of an address is one tap from the questions."""
    answer = client.get(f"/{RIGA}/{target}?lang=lv")
    page = Page(answer)
    assert (answer.status, page.lang) == (404, "lv")
    assert "Sidraba rasa" in page.words
    for link in (f"/{RIGA}?lang=lv", f"/{RIGA}/withdraw?lang=lv", f"/{RIGA}/link?lang=lv"):
        assert client.mount + link in page.links
        assert client.get(link).status == 200
    assert {"?lang=ru", "?lang=en", "tel:+37167000001"} <= set(page.links)


def test_where_no_clinic_is_known_every_language_and_the_portals_own_page_are_offered(
    client: Client,
) -> None:
    """A stranger to the portal is told what it is."""
    page = Page(client.get("/nobody?lang=en"))
    assert f"{client.mount}/?lang=en" in page.links
    assert {f"?lang={lang}" for lang in LANGUAGES if lang != "en"} <= set(page.links)
    home = Page(client.get("/?lang=en"))
    assert f"{client.mount}/verify?lang=en" in home.links


def test_a_form_that_failed_offers_no_language_that_would_lose_it(client: Client) -> None:
    """Another language is another visit, without what was sent."""
    answer = client.post(f"/{RIGA}/nothing?lang=en", {"all": "yes"})
    assert answer.status == 404
    assert not [link for link in Page(answer).links if link.startswith("?lang=")]


def test_a_tablet_leads_back_to_its_own_start_and_nowhere_else(client: Client) -> None:
    """Nobody leaves the kiosk by an address that is not there."""
    page = Page(client.get(f"/{RIGA}/kiosk/notices/9.9?lang=en"))
    assert [link for link in page.links if link.startswith("/")] == [f"{client.mount}/{RIGA}/kiosk"]
    assert not [link for link in page.links if link.startswith(("tel:", "mailto:"))]
