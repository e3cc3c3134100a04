"""The column with the contacts is found in what mailing tools export and clinics write."""

import json
from pathlib import Path

import pytest

from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind
from chalicelib.domain.languages import LANGUAGES
from chalicelib.presentation import contact_columns
from chalicelib.presentation.contact_columns import UnclearColumnError, find_contact_columns

EMAIL, PHONE = REACHABLE_KINDS
NAMES = json.loads(Path(contact_columns.__file__).with_name("contact_columns.json").read_text())

EXPORTS = [
    pytest.param(
        "Email Address,First Name,Last Name,Address,Phone Number,Birthday,TAGS,MEMBER_RATING,"
        "OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,"
        "REGION,LAST_CHANGED,LEID,EUID,NOTES",
        0,
        4,
        id="Mailchimp, audience export",
    ),
    pytest.param(
        "CONTACT ID,EMAIL,FIRSTNAME,LASTNAME,SMS,WHATSAPP,ADDED_TIME,MODIFIED_TIME",
        1,
        4,
        id="Brevo",
    ),
    pytest.param(
        "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lead Status",
        3,
        4,
        id="HubSpot",
    ),
    pytest.param("uuid,email,name,attributes,status,created_at,updated_at", 1, None, id="listmonk"),
    pytest.param(
        "Title,First Name,Last Name,Business Phone,Home Phone,Mobile Phone,Primary Phone,"
        "E-mail Address,E-mail Type,E-mail Display Name,E-mail 2 Address,E-mail 3 Address",
        7,
        5,
        id="Outlook",
    ),
    pytest.param(
        "First Name,Last Name,Labels,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Value,"
        "Phone 1 - Label,Phone 1 - Value",
        4,
        7,
        id="Google",
    ),
    pytest.param("Vārds,Uzvārds,E-PASTS,Tālrunis", 2, 3, id="Latvian"),
    pytest.param("Vardas,El. paštas,Tel. nr.", 1, 2, id="Lithuanian"),
    pytest.param("სახელი,ელ. ფოსტა,ტელეფონი", 1, 2, id="Georgian"),
    pytest.param("Имя,Эл. почта,Мобильный телефон", 1, 2, id="Russian"),
]


@pytest.mark.parametrize(("header", "email", "phone"), EXPORTS)
def test_the_columns_of_an_export_are_found(
    header: str, email: int | None, phone: int | None
) -> None:
    """Marketing sends the file as the tool gave it."""
    columns = header.split(",")
    found = {
        column.kind: column.position for column in find_contact_columns(columns, REACHABLE_KINDS)
    }
    assert (found.get(EMAIL), found.get(PHONE)) == (email, phone)


@pytest.mark.parametrize("kind", NAMES)
def test_every_name_in_the_table_is_of_one_kind_and_there_are_some_in_every_language(
    kind: str,
) -> None:
    """A word that means both, or a language that was forgotten, is noticed."""
    assert NAMES[kind].keys() >= set(LANGUAGES)
    for names in NAMES[kind].values():
        for name in names:
            (column,) = find_contact_columns(["Name", name.upper()], REACHABLE_KINDS)
            assert column.kind == kind


def test_two_columns_of_a_kind_are_listed_and_none_is_taken() -> None:
    """Which of two addresses is written to is known to whoever sends, and to nobody else."""
    columns = ["Name", "Phone Number", "Mobile Phone Number"]
    with pytest.raises(UnclearColumnError, match=r"Phone Number, Mobile Phone Number\. Write"):
        find_contact_columns(columns, [PHONE])
    (column,) = find_contact_columns(columns, [PHONE], "mobile phone number")
    assert column.position == 2
    with pytest.raises(UnclearColumnError, match="several columns have it"):
        find_contact_columns(["E-mail", "e-mail"], [EMAIL], "E-MAIL")
    (column,) = find_contact_columns(["E-mail", "e-mail"], [EMAIL], "e-mail")
    assert column.position == 1


def test_a_column_of_any_name_is_taken_where_it_is_named() -> None:
    """A table whose columns nobody could know is read too."""
    columns = ["Name", "Kontakt", "Email"]
    with pytest.raises(UnclearColumnError, match="column= and one of: Name, Kontakt, Email"):
        find_contact_columns(columns, [PHONE])
    assert find_contact_columns(columns, [PHONE], "Kontakt")[0].kind is ContactKind.PHONE
    assert find_contact_columns(columns, REACHABLE_KINDS, "Kontakt")[0].kind is None
    assert find_contact_columns(columns, REACHABLE_KINDS, "Email")[0].kind is ContactKind.EMAIL
    with pytest.raises(UnclearColumnError, match="no column has it"):
        find_contact_columns(columns, [PHONE], "Fax")


@pytest.mark.parametrize("row", [["anna@example.org", "Anna"], ["Anna", "+371 20000001"]])
def test_a_file_without_a_header_is_told_so_and_nobody_in_it_is_named(row: list[str]) -> None:
    """An error goes into logs and tickets: it names no patient."""
    with pytest.raises(UnclearColumnError, match="must be the header") as refused:
        find_contact_columns(row, REACHABLE_KINDS)
    assert not any(cell in str(refused.value) for cell in row)
