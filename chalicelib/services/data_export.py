"""What a person takes along (GDPR Art. 15(3) and 20): everything, as JSON and as a table.

`docs/takeout.md` describes both shapes.
"""

import csv
import io
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from chalicelib.domain.clinic import Clinic, localized
from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant
from chalicelib.domain.overview import QuestionStatus, RecipientPeriod
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts.sd_jwt import disclosed_texts
from chalicelib.services.own_page import OwnPage
from chalicelib.store.personal_data import all_kept_disclosures, reveal

COLUMNS = (
    *("record", "name", "value", "from", "until", "receipt"),
    *("notice", "language", "channel", "assurance", "permitted"),
)
FORMS = ("json", "csv")
"""In which forms it can be written."""

Row = Mapping[str, str | None]

_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[^\S\t\r\n]*[=+\-@＝＋－＠])|^(?=[\t\r\n])")
"""Where a formula begins, in either width of its sign: at the start of a cell, and behind what some
spreadsheet takes for the end of one. Where a decimal point is a comma, as in all our countries,
that is the semicolon."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which of several parts of a file one is: number 1 of 3."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class DataExport:
    """Everything the portal knows of one person at one clinic, in clear.

    It is for that person alone.
    """

    clinic: Clinic
    lang: str
    at: Instant
    subject: str
    contacts: Sequence[tuple[Contact, Instant]]
    names: Sequence[str]
    addresses: Sequence[PostalAddress]
    decisions: Sequence[QuestionStatus]
    disclosures: Sequence[RecipientPeriod]
    receipts: Sequence[Receipt]
    left_out: int
    """How many receipts are not here: older than thousands, and not in force."""

    evidence: Mapping[int, Mapping[str, str]]
    """What the clinic wrote down of how each receipt came about, by the receipt's version."""

    restricted_since: Instant | None
    merged: Sequence[Receipt] = ()
    """The receipts of other records of the person that were merged into this one."""

    merged_evidence: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same of those, by the receipt's id."""

    part: Part | None = None
    """Which part this is of what is too long for one file; None for one that is whole."""

    def limited(self, part: Part, versions: Container[int]) -> "DataExport":
        """Give one part of it, with the receipts of these versions.

        The first part has everything else too.
        """
        receipts = [each for each in self.receipts if each.document["version"] in versions]
        first = replace(self, part=part, receipts=receipts)
        if part.number == 1:
            return first
        nothing: Sequence[Any] = ()
        return replace(
            first,
            contacts=nothing,
            names=nothing,
            addresses=nothing,
            decisions=nothing,
            disclosures=nothing,
            merged=nothing,
        )

    def written(self, form: str) -> bytes:
        """Give the file in one of the `FORMS`."""
        if form == "csv":
            return self.table().encode()
        return _json(self.document())

    def size_of(self, receipt: Receipt, form: str) -> int:
        """Give how many bytes one receipt, with its evidence, takes in the file."""
        if form == "csv":
            return len(_lines(self._receipt_rows(receipt)).encode())
        evidence = replace(self, receipts=[receipt])._describe_evidence()  # noqa: SLF001 - its own
        return sum(len(_json(each)) + 1 for each in (receipt.document, *evidence))

    def document(self) -> dict[str, Any]:
        """Give it as a JSON value."""
        return {
            **({"part": asdict(self.part)} if self.part else {}),
            "exported_at": self.at,
            "clinic": {"id": self.clinic.id, "name": self.clinic.name[self.lang]},
            "controllers": [controller._asdict() for controller in self.clinic.controllers],
            "person": {
                "id": self.subject,
                "names": list(self.names),
                "addresses": [asdict(address) for address in self.addresses],
                "contacts": [_describe_contact(contact, since) for contact, since in self.contacts],
                "restricted_since": self.restricted_since,
            },
            "decisions": [self._describe_status(status) for status in self.decisions],
            "recipients": [self._describe_recipient(period) for period in self.disclosures],
            "receipts": [receipt.document for receipt in self.receipts],
            "receipts_left_out": self.left_out,
            "evidence": self._describe_evidence(),
            **self._describe_merged(),
        }

    def table(self) -> str:
        """Give it as CSV (RFC 4180).

        A row for each name, address, contact, restriction, decision, recipient and note. It starts
        with a byte order mark, without which a spreadsheet spoils letters, and what a spreadsheet
        would take for a formula starts with an apostrophe (OWASP ASVS 5.0, 1.2.10).
        """
        header = dict(zip(COLUMNS, COLUMNS, strict=True))
        return "\N{ZERO WIDTH NO-BREAK SPACE}" + _lines([header, *self._rows()])

    def _describe_status(self, question_status: QuestionStatus) -> dict[str, Any]:
        status, question = question_status.status, question_status.question
        answer = status.recorded_answer
        return {
            "decision": question.id,
            "title": question.title(self.lang),
            "state": status.state,
            "permitted": status.permitted,
            "since": status.since,
            "receipt": answer.receipt_id if answer else None,
        }

    def _describe_recipient(self, period: RecipientPeriod) -> dict[str, Any]:
        return {
            "decision": period.question.id,
            "recipient": localized(period.recipient, self.lang),
            "from": period.since,
            "until": period.until,
        }

    def _describe_evidence(self) -> list[dict[str, str]]:
        described = []
        for receipt in self.receipts:
            written = self.evidence.get(receipt.document["version"])
            if written is not None:
                described.append({"receipt": receipt.id, **written})
        return described

    def _describe_merged(self) -> dict[str, Any]:
        if not self.merged:
            return {}
        receipts = [receipt.document for receipt in self.merged]
        evidence = [{"receipt": name, **told} for name, told in self.merged_evidence.items()]
        return {"merged_record": {"receipts": receipts, "evidence": evidence}}

    def _rows(self) -> Iterator[Row]:
        if self.part:
            number, of = str(self.part.number), str(self.part.of)
            yield {"record": "part", "name": number, "value": of}
        if self.part is None or self.part.number == 1:
            yield from self._person_rows()
            yield from (self._status_row(status) for status in self.decisions)
            yield from (self._recipient_row(period) for period in self.disclosures)
            if self.left_out:
                yield {"record": "left_out", "name": "receipts", "value": str(self.left_out)}
        for receipt in self.receipts:
            yield from self._receipt_rows(receipt)
        for receipt in self.merged:
            yield from _evidence_rows(receipt, self.merged_evidence.get(receipt.id, {}))
            yield from _answer_rows(receipt)

    def _receipt_rows(self, receipt: Receipt) -> Iterator[Row]:
        yield from _evidence_rows(receipt, self.evidence.get(receipt.document["version"], {}))
        yield from _answer_rows(receipt)

    def _person_rows(self) -> Iterator[Row]:
        for name in self.names:
            yield {"record": "name", "value": name}
        for address in self.addresses:
            yield {"record": "address", "value": address.line()}
        for contact, since in self.contacts:
            yield {"record": "contact", "name": contact.kind, "value": contact.value, "from": since}
        if self.restricted_since is not None:
            yield {"record": "restriction", "from": self.restricted_since}

    def _status_row(self, question_status: QuestionStatus) -> Row:
        status, answer = question_status.status, question_status.status.recorded_answer
        return {
            "record": "decision",
            "name": question_status.question.id,
            "value": status.state,
            "from": status.since,
            "until": answer.expires_at if answer else None,
            "permitted": "yes" if status.permitted else "no",
            "receipt": answer.receipt_id if answer else None,
        }

    def _recipient_row(self, period: RecipientPeriod) -> Row:
        return {
            "record": "recipient",
            "name": period.question.id,
            "value": localized(period.recipient, self.lang),
            "from": period.since,
            "until": period.until,
        }


def _evidence_rows(receipt: Receipt, written: Mapping[str, str]) -> Iterator[Row]:
    for name, value in written.items():
        yield {
            "record": "evidence",
            "name": name,
            "value": value,
            "from": _given_at(receipt),
            "receipt": receipt.id,
        }


def _answer_rows(receipt: Receipt) -> Iterator[Row]:
    document = receipt.document
    for question, entry in document["decisions"].items():
        yield {
            "record": "answer",
            "name": question,
            "value": entry["answer"],
            "from": _given_at(receipt),
            "until": entry["expires_at"],
            "receipt": receipt.id,
            "notice": document["notice"]["version"],
            "language": document["notice"]["lang"],
            "channel": document["channel"],
            "assurance": document["assurance"],
        }


def _given_at(receipt: Receipt) -> str:
    """Give when a decision was made: a day where only the day is known."""
    document = receipt.document
    return str(document.get("effective_date") or document["effective_at"])


def _describe_contact(contact: Contact, since: Instant) -> dict[str, str]:
    return {
        "kind": contact.kind,
        "value": contact.value,
        "known_since": since,
    }


def export_data(page: OwnPage) -> DataExport:
    """Gather everything the portal knows of the one person whose page it is.

    Raise NotFoundError for several.
    """
    person, details = page.person, page.contact_details
    kept = all_kept_disclosures(page.portal.table, page.key, person)
    others = [reveal(page.portal.table, page.key, other) for other in page.merged_records]
    return DataExport(
        clinic=page.lookup.published.clinic,
        lang=page.lang,
        at=page.now,
        subject=person.id,
        contacts=page.contacts_to_export,
        names=[*details.names, *(name for other in others for name in other.names)],
        addresses=[*details.addresses, *(each for other in others for each in other.addresses)],
        decisions=page.statuses,
        disclosures=page.recipients,
        receipts=page.receipts,
        left_out=page.left_out,
        evidence={version: disclosed_texts(disclosures) for version, disclosures in kept.items()},
        restricted_since=person.restricted_since,
        merged=page.merged_receipts,
        merged_evidence=_merged_evidence(page),
    )


def _merged_evidence(page: OwnPage) -> dict[str, Mapping[str, str]]:
    """Give what the clinic wrote down of the receipts of merged records, by the receipt's id."""
    texts: dict[str, Mapping[str, str]] = {}
    for other in page.merged_records:
        kept = all_kept_disclosures(page.portal.table, page.key, other)
        for receipt in page.merged_receipts:
            place = receipt.document["subject"], receipt.document["version"]
            if place[0] == other.id and place[1] in kept:
                texts[receipt.id] = disclosed_texts(kept[place[1]])
    return texts


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _lines(rows: Iterable[Row]) -> str:
    """Write rows of the table (RFC 4180)."""
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS, restval="", lineterminator="\r\n")
    for row in rows:
        writer.writerow(
            {column: harmless(cell) for column, cell in row.items() if cell is not None}
        )
    return written.getvalue()


def harmless(cell: str) -> str:
    """Write a cell so that no spreadsheet takes it, or a part of it, for a formula."""
    return _FORMULA.sub(lambda found: f"{found[0]}'", cell)
