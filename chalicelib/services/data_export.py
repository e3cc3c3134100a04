"""What a person takes along (GDPR Art. 15(3) and 20): everything, as JSON and as a table. Pure.

`docs/takeout.md` describes both shapes.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic, localized
from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant
from chalicelib.domain.overview import QuestionStatus, RecipientPeriod
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts.sd_jwt import disclosed_texts
from chalicelib.services.own_page import OwnPage
from chalicelib.store.personal_data import all_kept_disclosures

COLUMNS = (
    *("record", "name", "value", "from", "until", "receipt"),
    *("notice", "language", "channel", "assurance", "permitted"),
)
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[^\S\t\r\n]*[=+\-@＝＋－＠])|^(?=[\t\r\n])")
"""Where a formula begins, in either width of its sign: at the start of a cell, and behind what some spreadsheet takes
for the end of one. Where a decimal point is a comma, as in all our countries, that is the semicolon."""


@dataclass(frozen=True, slots=True)
class DataExport:
    """Everything the portal knows of one person at one clinic, in clear: it is for that person alone."""

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

    def document(self) -> dict[str, Any]:
        """Give it as a JSON value."""
        return {
            "exported_at": self.at,
            "clinic": {"id": self.clinic.id, "name": self.clinic.name[self.lang]},
            "controllers": [asdict(each) for each in self.clinic.controllers],
            "person": {
                "id": self.subject,
                "names": list(self.names),
                "addresses": [asdict(each) for each in self.addresses],
                "contacts": [
                    {"kind": contact.kind, "value": contact.value, "known_since": since}
                    for contact, since in self.contacts
                ],
                "restricted_since": self.restricted_since,
            },
            "decisions": [self._decision(each) for each in self.decisions],
            "recipients": [
                {
                    "decision": each.question.id,
                    "recipient": localized(each.recipient, self.lang),
                    "from": each.since,
                    "until": each.until,
                }
                for each in self.disclosures
            ],
            "receipts": [receipt.document for receipt in self.receipts],
            "receipts_left_out": self.left_out,
            "evidence": [
                {"receipt": receipt.id, **self.evidence[receipt.document["version"]]}
                for receipt in self.receipts
                if receipt.document["version"] in self.evidence
            ],
        }

    def table(self) -> str:
        """Give it as CSV (RFC 4180): a row for each name, address, contact, restriction, decision, recipient and note.

        It starts with a byte order mark, without which a spreadsheet spoils letters, and what a spreadsheet would take
        for a formula starts with an apostrophe (OWASP ASVS 5.0, 1.2.10).
        """
        written = io.StringIO()
        writer = csv.DictWriter(written, COLUMNS, restval="", lineterminator="\r\n")
        writer.writeheader()
        for row in self._rows():
            writer.writerow({column: harmless(cell) for column, cell in row.items() if cell is not None})
        return "\N{ZERO WIDTH NO-BREAK SPACE}" + written.getvalue()

    def _decision(self, decision: QuestionStatus) -> dict[str, Any]:
        status = decision.status
        return {
            "decision": decision.question.id,
            "title": decision.question.title(self.lang),
            "state": status.state,
            "permitted": status.permitted,
            "since": status.since,
            "receipt": status.recorded_answer.receipt_id if status.recorded_answer else None,
        }

    def _rows(self) -> list[dict[str, str | None]]:
        rows: list[dict[str, str | None]] = [{"record": "name", "value": name} for name in self.names]
        rows += [{"record": "address", "value": each.line()} for each in self.addresses]
        for contact, since in self.contacts:
            rows.append({"record": "contact", "name": contact.kind, "value": contact.value, "from": since})
        if self.restricted_since is not None:
            rows.append({"record": "restriction", "from": self.restricted_since})
        for decision in self.decisions:
            told, word = self._decision(decision), decision.status.recorded_answer
            row = {"record": "decision", "name": told["decision"], "value": told["state"], "from": told["since"]}
            row |= {"permitted": "yes" if told["permitted"] else "no", "receipt": told["receipt"]}
            rows.append({**row, "until": word.expires_at if word else None})
        for each in self.disclosures:
            row = {"record": "recipient", "name": each.question.id, "value": localized(each.recipient, self.lang)}
            rows.append({**row, "from": each.since, "until": each.until})
        if self.left_out:
            rows.append({"record": "left_out", "name": "receipts", "value": str(self.left_out)})
        for receipt in self.receipts:
            document = receipt.document
            given = document.get("effective_date") or document["effective_at"]
            for name, value in self.evidence.get(document["version"], {}).items():
                row = {"record": "evidence", "name": name, "value": value}
                rows.append({**row, "from": given, "receipt": receipt.id})
            for address, entry in document["decisions"].items():
                row = {"record": "answer", "name": address, "value": entry["answer"], "until": entry["expires_at"]}
                row |= {"from": given, "receipt": receipt.id}
                row |= {"notice": document["notice"]["version"], "language": document["notice"]["lang"]}
                rows.append({**row, "channel": document["channel"], "assurance": document["assurance"]})
        return rows


def export_data(page: OwnPage) -> DataExport:
    """Gather everything the portal knows of the one person whose page it is; raise NotFoundError for several."""
    person, details = page.person, page.contact_details
    kept = all_kept_disclosures(page.portal.table, page.key, person)
    return DataExport(
        clinic=page.lookup.published.clinic,
        lang=page.lang,
        at=page.now,
        subject=person.id,
        contacts=page.contacts_to_export,
        names=details.names,
        addresses=details.addresses,
        decisions=page.statuses,
        disclosures=page.recipients,
        receipts=page.receipts,
        left_out=page.left_out,
        evidence={version: disclosed_texts(disclosures) for version, disclosures in kept.items()},
        restricted_since=person.restricted_since,
    )


def harmless(cell: str) -> str:
    """Write a cell so that no spreadsheet takes it, or a part of it, for a formula."""
    return _FORMULA.sub(lambda found: f"{found[0]}'", cell)
