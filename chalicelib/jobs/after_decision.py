"""What happens after a decision, from the table's stream: nothing here can hold up a patient, nothing is done twice."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import counting, signing, withdrawal_orders
from chalicelib.messages import bounces
from chalicelib.messages.delivery import Delivery
from chalicelib.portal import Portal
from chalicelib.store import people as roll
from chalicelib.store import withdrawal_orders as orders
from chalicelib.store.bounces import mark_undeliverable
from chalicelib.store.clinics import Clinics
from chalicelib.store.keys import Key, part_of_proof, person_key_of, written_once
from chalicelib.store.kms_signer import Signer
from chalicelib.store.table import BATCH, ContendedError, Table, UnavailableError


def handle(
    table: Table, event: dict[str, Any], signer: Signer | None, out_of_time: OutOfTime, delivery: Delivery | None = None
) -> dict[str, Any]:
    """Work through a batch of stream records: count every receipt, then sign and send what there is time for.

    Gives the numbers of the records that could not be counted just now, as Lambda wants them (ReportBatchItemFailures):
    the stream sends those, and what comes behind them, again. Those already counted are not counted again. What will
    never be counted is not among them: sent again it would hold up those behind it.
    Nothing depends on that: a receipt keeps its mark until it is counted and signed, and what is to be told keeps its
    own, so that the clock's round does whatever is not done here. What is told comes last because it takes longest.
    """
    try:
        _watch(table, event)
        receipts, failed = _count(table, event)
        if signer is not None:
            for _ in signing.sign_receipt(table, signer, receipts, out_of_time):
                pass
        if delivery is not None:
            delivery.carry_new(_unsent(event), out_of_time)
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
    finally:
        log.flush()


def _watch(table: Table, event: dict[str, Any]) -> None:
    """Note every record of an item that is written once and was changed or removed: by hand, or by an intruder.

    The portal itself never does (`store.table`), but for the proof of an erased person when that is over; and AWS's
    policies cannot keep whoever may write an item from writing it again. That a chain then breaks is found by
    `verify-chains`; this tells it at once.
    """
    touched: dict[str, list[Key]] = {"MODIFY": [], "REMOVE": []}
    for record in event.get("Records", []):
        key = record["dynamodb"]["Keys"]
        place = Key(key["pk"]["S"], key["sk"]["S"])
        if record["eventName"] in touched and written_once(place):
            touched[record["eventName"]].append(place)
    for place in (*touched["MODIFY"], *_taken(table, touched["REMOVE"])):
        # The partition not whole: a receipt's number, which opens its page, may stand in it.
        told = {"partition": place.pk.partition("#RECEIPT#")[0], "item": place.sk}
        log.log().error("an item that is written once was changed", extra=told)
        log.count("WrittenOnceChanged")


def _taken(table: Table, removed: Sequence[Key]) -> list[Key]:
    """Give those of removed items that nobody may remove: of somebody's proof those of a person who is not erased.

    Where that cannot be told now they are among them: rather one alarm too many.
    """
    rolls = {place: where for place in removed if (where := person_key_of(place))}
    try:
        people = table.get(list(rolls.values())) if rolls else {}
    except UnavailableError:
        return list(removed)
    there = {place for place, where in rolls.items() if where in people and not roll.load_person(people[where]).erased}
    return [place for place in removed if place in there or not part_of_proof(place)]


def _unsent(event: dict[str, Any]) -> list[Key]:
    """Give the keys of what was left in the outbox; the table says what it holds, or that it is gone by now."""
    keys = [record["dynamodb"]["Keys"] for record in event.get("Records", []) if record["eventName"] == "INSERT"]
    return [Key(key["pk"]["S"], key["sk"]["S"]) for key in keys if key["pk"]["S"].startswith("UNSENT#")]


def _count(table: Table, event: dict[str, Any]) -> tuple[list[Receipt], list[str]]:
    """Count the receipts of a batch; give those that are counted, and the numbers of the records to be sent again."""
    counted: list[Receipt] = []
    failed: list[str] = []
    for record in event.get("Records", []):
        change = record["dynamodb"]
        if record["eventName"] != "INSERT" or not change["Keys"]["sk"]["S"].startswith("RECEIPT#"):
            continue
        try:
            receipt = _counted(table, change["NewImage"]["body"]["S"].encode())
        except (ContendedError, UnavailableError) as error:
            log.log().warning("not counted", error=type(error).__name__)
            log.count("CountingFailed")
            failed.append(str(change.get("SequenceNumber", "")))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one record, the others are done
            log.fault(error)
            log.count("CountingFailed")
        else:
            counted.append(receipt)
    return counted, failed


def _counted(table: Table, canonical: bytes) -> Receipt:
    receipt = Receipt(json.loads(canonical), canonical)
    new = counting.count(table, receipt)
    # By person and version: a receipt's number opens its page, and so stays out of the log.
    told = {name: receipt.document[name] for name in ("clinic", "subject", "version")}
    log.log().info("receipt", **told, counted=new)
    return receipt


def clear_erased(table: Table, clinics: Clinics, out_of_time: OutOfTime) -> None:
    """Clear away what erased people left about, as far as the time goes, and say in the log of how many."""
    from chalicelib.store import erasures  # noqa: PLC0415 - the stream's function needs it not

    cleared = contended = 0
    try:
        marks = erasures.waiting(table)
        while (batch := list(itertools.islice(marks, BATCH))) and not out_of_time():
            erasures.drop_link_requests(table, clinics, batch)
            for mark in batch:
                if out_of_time():
                    break
                try:
                    erasures.clear_remains(table, mark)
                    cleared += 1
                except ContendedError:  # somebody decides under one of the contacts just now: the next round
                    contended += 1
        log.log().info("cleared", cleared=cleared, contended=contended)
    finally:
        log.flush()


def carry_orders(portal: Portal, out_of_time: OutOfTime) -> None:
    """Go on with every withdrawal for very many people that is open, as far as the time goes."""
    try:
        withdrawal_orders.carry_on(portal, orders.open_orders(portal.table), out_of_time)
    finally:
        log.flush()


def sign_waiting(table: Table, signer: Signer | None, out_of_time: OutOfTime) -> None:
    """Count and sign what still waits, as far as the time goes, and say in the log how far that was."""
    try:
        if signer is None:
            tally = signing.count_waiting(table, out_of_time)
            log.log().warning("nothing is signed: SIGNING_KEY is not set", counted=tally.counted)
            return
        for tally in signing.sign_waiting(table, signer, out_of_time):
            if tally.signed and not tally.signed % 500:
                log.log().info("signing", signed=tally.signed, failed=tally.failed)
        log.log().info("signed", signed=tally.signed, counted=tally.counted, failed=tally.failed, whole=tally.whole)
    finally:
        log.flush()


def send_waiting(delivery: Delivery, out_of_time: OutOfTime) -> None:
    """Send what still waits, as far as the time goes, and say in the log how far that was."""
    if delivery.transport is None:
        log.log().warning("nothing is sent: MAIL_FROM is not set")
    try:
        tally = delivery.carry_waiting(out_of_time)
        log.log().info("sent", sent=tally.sent, failed=tally.failed, whole=tally.whole)
    finally:
        log.flush()


def mark(table: Table, text: str) -> None:
    """Mark the contact that a report of SES says no mail reaches; a report that marks nobody leaves a line."""
    try:
        report = bounces.interpret(text)
        about: dict[str, Any] = {"clinic": report.clinic, "message_id": report.message_id, "reason": report.reason}
        if isinstance(report, bounces.IgnoredReport):
            log.log().info("mail report ignored", **about)
            log.count("MailReportIgnored")
            return
        new = mark_undeliverable(table, report.clinic, report.lookup, report.reason, report.at)
        log.log().info("undeliverable", new=new, **about)
        log.count("ContactUndeliverable", int(new))
    finally:
        log.flush()
