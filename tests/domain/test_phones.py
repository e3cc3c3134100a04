from typing import Any

import pytest

from chalicelib.domain.contacts import ContactKind, normalise
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.phones import country, exists, takes_texts
from chalicelib.notices.document import InvalidDocumentError, check, read_clinic
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.i18n import country_name
from chalicelib.presentation.templates import render
from tests.factories import a_document


@pytest.mark.parametrize(
    "number", ["+37126123456", "+37129999999", "+37061234567", "+995555123456", "+14155552671"]
)
def test_a_mobile_number_takes_text_messages_in_its_own_country(number: str) -> None:
    """Patients get their codes, also where mobile numbers look like all others (NANP)."""
    assert exists(number)
    assert takes_texts(number, {"LV", "LT", "GE", "US"})
    assert not takes_texts(number, {"EE"})


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("+37190000000", id="premium rate"),
        pytest.param("+37181000000", id="shared cost"),
        pytest.param("+37180000000", id="toll free"),
        pytest.param("+881621234567", id="satellite: Iridium"),
        pytest.param("+870773123456", id="satellite: Inmarsat"),
        pytest.param("+883510012345678", id="internet phone of no country: iNum"),
        pytest.param("+445600123456", id="internet phone"),
        pytest.param("+97912345678", id="international premium rate"),
        pytest.param("+37167000001", id="landline"),
        pytest.param("+37155555555", id="given out by nobody"),
    ],
)
def test_what_strangers_earn_by_and_what_cannot_receive_is_sent_nothing(number: str) -> None:
    """Whoever fills in the form by program with such numbers earns nothing (SMS pumping)."""
    everywhere = {"LV", "GB", "001", "US"}
    assert not takes_texts(number, everywhere)


def test_a_number_of_no_country_is_in_none() -> None:
    """A clinic cannot name satellites by mistake."""
    assert country("+881621234567") is None
    assert country("+77011234567") == "KZ"  # shares +7 with Russia


@pytest.mark.parametrize("typed", ["+371 55 55 55 55", "+358 99 999 999"])
def test_a_number_nobody_has_given_out_is_still_found(typed: str) -> None:
    """Who was recorded under such a number earlier can still withdraw by it."""
    assert not exists(normalise(ContactKind.PHONE, typed, "LV").value)


@pytest.mark.parametrize(
    ("named", "texted"), [(None, ("LV",)), (["LV", "LT"], ("LV", "LT")), (["EE"], ("EE",))]
)
def test_text_messages_go_to_the_countries_a_clinic_names_else_to_its_own(
    named: Any, texted: tuple[str, ...]
) -> None:
    """A clinic near a border names its neighbour; who says nothing pays for nothing abroad."""
    document = a_document() if named is None else a_document(sms_countries=named)
    assert read_clinic(document).text_message_countries == texted


@pytest.mark.parametrize("named", ["LV", [], ["Latvia"], ["lv"], ["LV", "LV"], [371], {"LV": True}])
def test_countries_that_cannot_be_read_are_told_with_the_remedy(named: Any) -> None:
    """`make check-clinic` says what to write."""
    with pytest.raises(InvalidDocumentError, match="sms_countries"):
        read_clinic(a_document(sms_countries=named))


def test_a_country_that_does_not_exist_is_told_before_publication() -> None:
    """A slip of one letter would keep a whole country from its codes."""
    faults = [str(fault) for fault in check(a_document(sms_countries=["LV", "XX"]), authorities())]
    assert [each for each in faults if each.startswith("sms_countries: names 'XX'")]


def in_every_language(value: Any) -> Any:
    """Give a document whose every text is said in each language of the portal."""
    if isinstance(value, dict) and value.keys() == {"lv", "en"}:
        return dict.fromkeys(LANGUAGES, value["en"])
    if isinstance(value, dict):
        whole = {name: in_every_language(each) for name, each in value.items()}
        return whole | ({"languages": list(LANGUAGES)} if "languages" in value else {})
    return [in_every_language(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("lang", LANGUAGES)
def test_countries_are_named_in_the_patients_language(lang: str) -> None:
    """The page says Latvia, and not LV."""
    names = {"lv": "Latvija, Lietuva", "lt": "Latvija, Lietuva", "ka": "ლატვია, ლიეტუვა"}
    names |= {"ru": "Латвия, Литва", "en": "Latvia, Lithuania"}
    clinic = read_clinic(in_every_language(a_document(sms_countries=["LV", "LT"])))
    faults = [{"field": "phone", "problem": "phone_no_texts"}]
    page = render(
        "pages/link.html",
        lang,
        clinic=clinic,
        root="",
        state="",
        typed={},
        faults=faults,
        sent=False,
    )
    named = names.get(lang) or f"{country_name('LV', lang)}, {country_name('LT', lang)}"
    assert named in page
