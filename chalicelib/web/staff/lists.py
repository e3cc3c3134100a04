"""Lists of those who agreed: one file for one mailing, made at the moment it is asked for.

Whoever exports contacts proves anew who they are, and the audit names everybody in the file.
"""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.local_time import local_day
from chalicelib.domain.receipts import reference
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.csv_table import neutral_cell, write_rows
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.clinic_export import (
    ExportRow,
    LongExportError,
    whole_export,
)
from chalicelib.web.responses import table
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import first

PAGE = "staff/lists.html"
COLUMNS = ("email", "phone", "name", "patient_ref", "lang", "since", "receipt")
"""What a file tells of each person, by names that mailing programs know."""


def lists_page(desk: Desk) -> Response:
    """Ask for what people are written to."""
    return desk.page(PAGE)


def download_list(desk: Desk) -> Response:
    """Hand out those who permit it now, as CSV that a spreadsheet opens without running anything."""
    purpose = first(desk.form(PAGE).fields, "purpose")
    if purpose not in desk.clinic.questions:
        return _again(desk, FieldError("purpose", "list_purpose_missing"))
    try:
        rows = whole_export(desk.portal, desk.call(EmptyBody()), purpose)
    except LongExportError:
        return _again(desk, FieldError("errors", "list_too_long"))
    written = [COLUMNS, *(_cells(row, desk.clinic.country) for row in rows)]
    name = f"{purpose.replace('.', '-')}-{local_day(desk.now, desk.clinic.country)}"
    return table(write_rows(written), name)


def _again(desk: Desk, fault: FieldError) -> Response:
    return desk.page(PAGE, HTTPStatus.UNPROCESSABLE_ENTITY, faults=[fault])


def _cells(row: ExportRow, country: str) -> list[str]:
    # A phone begins with "+", and is digits alone: nothing of it can run.
    typed = [neutral_cell(cell) for cell in (row.email, row.name, row.patient_ref)]
    email, name, patient_ref = typed
    since, receipt = local_day(row.since, country), reference(row.receipt_id)
    return [email, row.phone, name, patient_ref, row.lang, since, receipt]
