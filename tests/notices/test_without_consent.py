"""What a clinic does on another basis than consent is told with its article, and never asked."""

import copy
import re
from typing import Any

import pytest

from chalicelib.domain.languages import LANGUAGES
from chalicelib.notices.differences import beyond_words, differences
from chalicelib.notices.document import check, read_clinic
from chalicelib.notices.edition import make_edition
from chalicelib.notices.purposes import OTHER_BASES
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.i18n import catalog
from chalicelib.services.draft_preview import draft_page
from infra.operator.publish import read_file
from tests.cast import CLINICS
from tests.factories import NOON, a_document, in_both

HEADINGS = {
    "lv": "Ko darām bez Jūsu piekrišanas un kāpēc",
    "lt": "Ką darome be Jūsų sutikimo ir kodėl",
    "ka": "რას ვაკეთებთ თქვენი თანხმობის გარეშე და რატომ",
    "ru": "Что мы делаем без Вашего согласия и почему",
    "en": "What we do without asking, and why",
}
ARTICLES = dict(
    zip(OTHER_BASES, ("6(1)(b)", "6(1)(c)", "6(1)(d)", "6(1)(e)", "6(1)(f)"), strict=True)
)


def an_entry(**changed: Any) -> dict[str, Any]:
    """Give one thing that is done without consent."""
    entry = {
        "id": "records",
        "title": in_both("Records"),
        "text": in_both("We keep them"),
        "legal_basis": "legal_obligation",
        "data": in_both("Name and knee"),
        "retention": in_both("Ten years"),
    }
    return {**entry, **changed}


def faults(*entries: object) -> list[tuple[str, str | None]]:
    """Give place and article of what is wrong in a list of such entries."""
    return [
        (each.place, each.article)
        for each in check(a_document(without_consent=list(entries)), authorities())
    ]


def test_what_is_done_without_consent_is_no_question() -> None:
    """Processing without consent is never asked about: on the page, on paper or by a program."""
    clinic = read_clinic(a_document(without_consent=[an_entry()]))
    assert [each.id for each in clinic.without_consent] == ["records"]
    assert clinic.questions == read_clinic(a_document()).questions
    assert clinic.resolve_names("records") == ()


@pytest.mark.parametrize(
    ("entry", "place", "article"),
    [
        (an_entry(legal_basis="consent"), "without_consent[1].legal_basis", "GDPR Art. 13(1)(c)"),
        (an_entry(legal_basis="law"), "without_consent[1].legal_basis", "GDPR Art. 13(1)(c)"),
        (
            an_entry(legal_basis="legitimate_interests"),
            "without_consent[1].interest",
            "GDPR Art. 13(1)(d)",
        ),
        (an_entry(retention=None), "without_consent[1].retention", "GDPR Art. 13(2)(a)"),
        (
            an_entry(recipients="the tax office"),
            "without_consent[1].recipients",
            "GDPR Art. 13(1)(e)",
        ),
        (an_entry(health_care="yes"), "without_consent[1].health_care", "GDPR Art. 13(1)(c)"),
        (an_entry(title={"lv": "Ieraksti"}), "without_consent[1].title.en", "GDPR Art. 13(1)(c)"),
        (an_entry(needs=["email"]), "without_consent[1].needs", None),
        (an_entry(id="newsletter"), "without_consent", "GDPR Art. 13(1)(c)"),
    ],
)
def test_what_is_missing_or_wrong_of_it_is_told_with_its_article(
    entry: object, place: str, article: str | None
) -> None:
    """The items of Art. 13 are due for it as for a question; a legitimate interest is named."""
    assert faults(entry) == [(place, article)]


def test_an_empty_list_or_two_of_one_name_are_told() -> None:
    """A field that says nothing is a slip."""
    assert faults()[0][0] == "without_consent"
    assert faults(an_entry(), an_entry()) == [("without_consent", "GDPR Art. 13(1)(c)")]


@pytest.mark.parametrize("basis", OTHER_BASES)
def test_a_question_on_such_a_basis_is_a_fault_that_says_where_it_belongs(basis: str) -> None:
    """To ask for a consent that is not needed misleads (EDPB 05/2020, 122)."""
    document = a_document()
    document["purposes"][1]["legal_basis"] = basis
    [fault] = check(document, authorities())
    assert fault.place == "purposes[2].legal_basis"
    assert "write it under `without_consent`" in fault.remedy


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("country", ["LV", "GE"])
def test_it_stands_apart_from_the_questions_with_its_basis_in_every_language(
    lang: str, country: str
) -> None:
    """It has a heading, the article of the law, and the right to object where there is one."""
    entries = [
        an_entry(id=f"on_{basis}", legal_basis=basis, interest=in_both("Safety"))
        for basis in OTHER_BASES
    ]
    entries[0]["health_care"] = True
    entries[0]["law"] = in_both("The Law on Knees")
    document = _in(lang, a_document(country=country, authority=country, without_consent=entries))
    ready = make_edition(document)
    page = draft_page(ready, lang, NOON, addresses={lang: ""})
    consent, _, notice = page.partition('<div id="notice">')
    heading = HEADINGS.get(lang) or catalog(lang).gettext(HEADINGS["en"])
    for part in (consent, notice):
        assert part.count(f">{heading}</h2>") == 1
        found = re.sub(r"\s+", " ", part.partition(heading)[2])
        for article in ARTICLES.values() if country == "LV" else ["5"]:
            assert article in found
        assert ("9(2)(h)" if country == "LV" else "6") in found
    form = consent.partition("<form")[2].partition("</form>")[0]
    assert heading not in form
    assert "decision.on_" not in page
    assert "The Law on Knees" in notice
    assert "Safety" in notice


def test_a_clinic_that_tells_of_nothing_has_no_heading_for_it() -> None:
    """An empty heading would make people wonder."""
    ready = make_edition(a_document())
    assert HEADINGS["en"] not in draft_page(ready, "en", NOON, addresses={"lv": "", "en": ""})


def test_a_change_of_it_is_seen_and_ends_no_consent() -> None:
    """A camera that keeps pictures longer makes nobody's consent superseded."""
    before = read_clinic(a_document(without_consent=[an_entry()]))

    def changed(**entry: Any) -> list[tuple[str, str | None]]:
        after = read_clinic(a_document(without_consent=[an_entry(**entry)]))
        return [(each.place, each.topic) for each in differences(before, after, NOON)]

    assert changed(legal_basis="contract") == [("without_consent.records.legal_basis", None)]
    assert set(changed(retention=in_both("Twenty years"))) == {
        ("without_consent.records.retention", None)
    }
    gone = [
        (each.place, each.topic) for each in differences(before, read_clinic(a_document()), NOON)
    ]
    assert gone == [("without_consent.records", None)]


def test_what_was_asked_and_is_done_without_asking_now_is_more_than_words() -> None:
    """Who said Yes to it is told that the question is gone."""
    purposes = a_document()["purposes"]
    after = a_document(purposes=purposes[:1], without_consent=[an_entry(id="research")])
    found = beyond_words(read_clinic(a_document()), read_clinic(after), NOON)
    assert [each.place for each in found] == ["purposes.research"]


def test_a_demo_clinic_shows_it() -> None:
    """The demo shows care records, appointments, invoices and a camera apart from questions."""
    clinic = read_file(CLINICS / "valmiera-hearing.yaml").clinic
    bases = {each.id: each.legal_basis for each in clinic.without_consent}
    assert set(bases.values()) == {"contract", "legal_obligation", "legitimate_interests"}
    assert any(each.health_care for each in clinic.without_consent)


def _in(lang: str, document: dict[str, Any]) -> dict[str, Any]:
    """Give a document that speaks one language."""
    document = copy.deepcopy(document)

    def in_language(value: Any) -> Any:
        if isinstance(value, dict):
            if value.keys() == {"lv", "en"}:
                return {lang: value["en"]}
            return {key: in_language(each) for key, each in value.items()}
        return [in_language(each) for each in value] if isinstance(value, list) else value

    return {**in_language(document), "languages": [lang]}
