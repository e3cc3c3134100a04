"""What the mail service reports: a contact that no mail reaches is not written to again."""

from typing import Any

from chalicelib import log
from chalicelib.messages.bounces import IgnoredReport, interpret
from chalicelib.store.bounces import mark_undeliverable
from chalicelib.store.table import Table


def handle(table: Table, text: str) -> None:
    """Mark the contact that a report of SES is about.

    A report that marks nobody leaves a line in the log.
    """
    try:
        report = interpret(text)
        about: dict[str, Any] = {
            "clinic": report.clinic,
            "message_id": report.message_id,
            "reason": report.reason,
        }
        if isinstance(report, IgnoredReport):
            log.log().info("mail report ignored", **about)
            log.count("MailReportIgnored")
            return
        new = mark_undeliverable(table, report.clinic, report.lookup, report.reason, report.at)
        log.log().info("undeliverable", new=new, **about)
        log.count("ContactUndeliverable", int(new))
    finally:
        log.flush()
