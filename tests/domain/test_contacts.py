import hmac
import re
from collections.abc import Callable

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.contacts import (
    _PLAIN_EMAIL,
    _PLAIN_LENGTH,
    Contact,
    ContactKind,
    InvalidContactError,
    lookup_key,
    normalise,
    validated_email,
)
from chalicelib.notices.document import COUNTRIES
from tests.cast import ANNA, ANNA_PHONE, GIORGI

PHONES = [
    ("26 123 456", "LV", "+37126123456"),
    ("8 26123456", "LV", "+37126123456"),
    ("+371 26123456", "LV", "+37126123456"),
    ("+371 (26) 123-456", "GE", "+37126123456"),
    ("00371 26 12 34 56", "LV", "+37126123456"),
    ("37126123456", "LV", "+37126123456"),
    ("２６１２３４５６", "LV", "+37126123456"),
    ("8 612 34567", "LT", "+37061234567"),
    ("(8-612) 34567", "LT", "+37061234567"),
    ("0 612 34567", "LT", "+37061234567"),
    ("+370 612 34567", "LT", "+37061234567"),
    ("0037061234567", "LT", "+37061234567"),
    ("555 12 34 56", "GE", "+995555123456"),
    ("0 555 12 34 56", "GE", "+995555123456"),
    ("8 555 12 34 56", "GE", "+995555123456"),
    ("+995 555 12 34 56", "LV", "+995555123456"),
    ("995 555 123 456", "GE", "+995555123456"),
    ("00995 555 123 456", "GE", "+995555123456"),
    ("+49 30 901820", "LV", "+4930901820"),
]
EMAILS = [
    ("Anna.Ozola@Example.ORG", "anna.ozola@example.org"),
    ("  anna.ozola@example.org ", "anna.ozola@example.org"),
    ("ａｎｎａ.ozola@example.org", "anna.ozola@example.org"),
    ("JĀNIS@piemērs.lv", "jānis@piemērs.lv"),
    ("ja\u0304nis@pieme\u0304rs.lv", "jānis@piemērs.lv"),
    ("ГЕОРГИЙ@ПРИМЕР.РФ", "георгий@пример.рф"),
    ("ᲒᲘᲝᲠᲒᲘ@example.org", "გიორგი@example.org"),
    ("anna+news@example.org", "anna+news@example.org"),
]
PHONE_TEXT = st.text(st.sampled_from("0123456789+ ()-./"), max_size=24)
LABEL = st.text(st.sampled_from("aZ09-"), max_size=12) | st.sampled_from(
    ["xn", "xn--80ak6aa92e", "a--b", "com", "example", *SPECIAL_USE_DOMAIN_NAMES]
)
MAILBOX = st.text(st.sampled_from("aZ09._+-'!\"@ āＡ"), max_size=20) | st.sampled_from(
    CASE_INSENSITIVE_MAILBOX_NAMES
)
TOP_LEVEL = st.sampled_from(["lv", "LV", "com", "Org", "net", "c0", "museum", "рф", "c", ""])
ALMOST_EMAIL = st.builds(
    lambda mailbox, labels, top, end: f"{mailbox}@{'.'.join([*labels, top])}{end}",
    MAILBOX,
    st.lists(LABEL, max_size=3),
    TOP_LEVEL | LABEL,
    st.sampled_from(["", " ", ".", "\n", "\u2028"]),
)
"""Texts most of which are nearly an e-mail address."""

SPACING = st.sampled_from(["", " ", "-", " (", ") ", ".", "/"])


@given(ALMOST_EMAIL | st.emails() | st.text(max_size=30))
@example("anna@example.lv\n")
@example("anna@example.lv.")
@example(f"{'a' * 60}@b.lv")
@example(f"anna@{'a' * 63}.lv")
@example("anna@localhost.test")
@example("Postmaster@example.COM")
@example("anna@-example.lv")
@example("anna@xn--80ak6aa92e.com")
@example("a..b@example.lv")
@example("ANNA@EXAMPLE.LV")
@example("anna@example.\u212av")
def test_a_plain_address_is_read_as_the_full_validator_reads_it(typed: str) -> None:
    """A quick look accepts nothing that the validator refuses, and changes nothing it gives."""
    assert _outcome(lambda: normalise(ContactKind.EMAIL, typed, "LV").value) == _outcome(
        lambda: validated_email(typed)
    )


@given(st.from_regex(_PLAIN_EMAIL, fullmatch=True))
def test_every_address_taken_for_plain_is_valid_as_it_stands(typed: str) -> None:
    """So the validator need not look at it. A new release of it may reserve more names."""
    if len(typed) <= _PLAIN_LENGTH:
        try:
            found = validate_email(typed, check_deliverability=False).normalized
        except EmailNotValidError as error:
            pytest.fail(f"{typed}: {error}")
        assert found.lower() == typed.lower()


def _outcome(read: Callable[[], str]) -> str:
    """Give the normal form, or that there is none."""
    try:
        return read()
    except InvalidContactError:
        return "refused"


@pytest.mark.parametrize(("typed", "country", "normal"), PHONES)
def test_a_phone_is_one_phone_however_people_write_it(
    typed: str, country: str, normal: str
) -> None:
    """Anna is found whether she types 8, 0, +371, 00371 or nothing before her number."""
    assert normalise(ContactKind.PHONE, typed, country).value == normal


@pytest.mark.parametrize(("typed", "normal"), EMAILS)
def test_an_email_is_one_address_in_any_case_and_any_encoding_of_its_letters(
    typed: str, normal: str
) -> None:
    """A phone keyboard's capital letter makes nobody a second person."""
    assert normalise(ContactKind.EMAIL, typed, "LV").value == normal


@pytest.mark.parametrize("typed", ["info@straße.de", "info@βόλος.gr", "strauß@example.org"])
def test_letters_that_only_look_like_capitals_are_kept(typed: str) -> None:
    """straße.de and strasse.de are two domains; a patient's mail never goes to the other one."""
    assert normalise(ContactKind.EMAIL, typed, "LV").value == typed


def test_a_patient_reference_keeps_its_case() -> None:
    """The clinic's own numbers are the clinic's own."""
    assert normalise(ContactKind.REFERENCE, " Ab-17/3 ", "LV") == Contact(
        ContactKind.REFERENCE, "Ab-17/3"
    )


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        *(
            (ContactKind.EMAIL, typed)
            for typed in (
                "",
                "anna",
                "anna@",
                "@example.org",
                "a b@example.org",
                "a@b",
                "a\0@example.org",
            )
        ),
        *(
            (ContactKind.PHONE, typed)
            for typed in ("", "112", "+371 2612345", "anna", "26123456 ext 5", "+", "9" * 40)
        ),
        *((ContactKind.REFERENCE, typed) for typed in ("", "  ", "x" * 65, "a\nb", "\ud800")),
    ],
)
def test_what_is_no_contact_is_refused_by_kind_and_never_repeated(
    kind: ContactKind, typed: str
) -> None:
    """The error can be logged: it says which field, and not what a patient typed."""
    with pytest.raises(InvalidContactError) as caught:
        normalise(kind, typed, "LV")
    assert caught.value.kind is kind
    assert str(caught.value) == kind.value
    assert caught.value.__cause__ is None


@given(st.sampled_from(ContactKind), st.text() | PHONE_TEXT, st.sampled_from(COUNTRIES))
def test_a_normal_form_is_its_own_normal_form(kind: ContactKind, typed: str, country: str) -> None:
    """What is stored is found again when it is typed exactly as it is stored.

    Anything else is a named error.
    """
    try:
        contact = normalise(kind, typed, country)
    except InvalidContactError:
        return
    assert normalise(kind, contact.value, country) == contact


@given(st.emails(), st.data())
def test_capitals_and_spaces_never_make_another_email(typed: str, data: st.DataObject) -> None:
    """Whatever a keyboard does to the case, the person stays the same."""
    try:
        contact = normalise(ContactKind.EMAIL, typed, "LV")
    except InvalidContactError:
        return
    capitals = data.draw(st.lists(st.booleans(), min_size=len(typed), max_size=len(typed)))
    spelled = "".join(
        character.upper() if big else character
        for character, big in zip(typed, capitals, strict=True)
    )
    assert normalise(ContactKind.EMAIL, f" {spelled}\t", "LV") == contact


@given(
    st.sampled_from(
        [("LV", "371", "8"), ("LT", "370", "8"), ("LT", "370", "0"), ("GE", "995", "0")]
    ),
    st.data(),
)
def test_every_national_and_international_spelling_is_one_phone(
    case: tuple[str, str, str], data: st.DataObject
) -> None:
    """With or without the country's number, a trunk digit, spaces and brackets: one person."""
    country, code, trunk = case
    national = {
        "LV": st.from_regex(r"2[0-9]{7}", fullmatch=True),
        "LT": st.from_regex(r"6[0-9]{7}", fullmatch=True),
        "GE": st.from_regex(r"5[0-9]{8}", fullmatch=True),
    }[country]
    number = data.draw(national)
    prefix = data.draw(st.sampled_from([f"+{code}", f"00{code}", code, trunk, ""]))
    spaced = data.draw(SPACING).join([number[:3], number[3:5], number[5:]])
    assert normalise(ContactKind.PHONE, f"{prefix} {spaced}", country).value == f"+{code}{number}"


@given(
    st.builds(
        Contact, st.sampled_from(ContactKind), st.from_regex(r"[a-z0-9]{5,30}", fullmatch=True)
    )
)
def test_a_contacts_representation_never_shows_its_value(contact: Contact) -> None:
    """A traceback or a debug line gives no address away."""
    shown = f"{contact!r} {contact} {[contact]} { ({contact: 1}) }"
    assert contact.value not in shown.replace(contact.kind.value, "").replace("Contact", "")


def test_contacts_are_found_by_an_hmac_under_the_clinics_own_key() -> None:
    """A stolen table gives no phone numbers, and two clinics cannot compare their patients."""
    riga, tbilisi = lookup_key(b"r" * 32, ANNA), lookup_key(b"t" * 32, ANNA)
    assert riga != tbilisi
    assert re.fullmatch("[0-9a-f]{64}", riga)
    assert hmac.compare_digest(riga, lookup_key(b"r" * 32, Contact(ContactKind.EMAIL, ANNA.value)))


def test_the_kind_is_part_of_the_key() -> None:
    """A patient number that looks like a phone finds no phone."""
    keys = {lookup_key(b"r" * 32, Contact(kind, ANNA_PHONE.value)) for kind in ContactKind}
    assert len(keys) == len(ContactKind)
    assert lookup_key(b"r" * 32, GIORGI) not in keys


TOO_LONG = [
    (ContactKind.EMAIL, "a" * 250 + "@b.lv"),
    (ContactKind.EMAIL, "ﷺ" * 100 + "@b.lv"),
    (ContactKind.EMAIL, "ā" * 130 + "@b.lv"),
    (ContactKind.PHONE, "+371 26123456" + " " * 20 + "1" * 20),
    (ContactKind.PHONE, "㍍" * 40),
    (ContactKind.REFERENCE, "1" * 65),
    (ContactKind.REFERENCE, "ﷺ" * 64),
    *(
        (kind, "e" + "\u0301\u0323" * 50_000)
        for kind in (ContactKind.EMAIL, ContactKind.PHONE, ContactKind.REFERENCE)
    ),
]


@pytest.mark.parametrize(("kind", "typed"), TOO_LONG)
def test_what_is_longer_than_any_contact_is_none(kind: ContactKind, typed: str) -> None:
    """It is refused before anything reads it whose work grows with the square of the length."""
    with pytest.raises(InvalidContactError):
        normalise(kind, typed, "LV")


def test_the_longest_address_that_mail_can_be_sent_to_is_one() -> None:
    """254 octets (RFC 5321, 4.5.3.1.3)."""
    domain = ".".join(["d" * 47] * 4) + ".lv"
    longest = "a" * (254 - 1 - len(domain)) + "@" + domain
    assert normalise(ContactKind.EMAIL, f"  {longest}  ", "LV").value == longest
