"""Where everything stands in the one table: each key is written here and nowhere else.

None ever holds a contact.
"""

from collections.abc import Sequence
from typing import NamedTuple

PK_BYTES, SK_BYTES = 2048, 1024
"""How long the parts of a key may be in DynamoDB."""

SHARDS = "0123456789abcdef"
"""Sixteen partitions instead of one busy one, chosen by the first hex digit of an id."""


def shards_from(first: int) -> str:
    """Give the shards in a circle, from the one of this number on.

    A round that begins at another shard each time reaches each of them, however little time it has.
    """
    start = first % len(SHARDS)
    return SHARDS[start:] + SHARDS[:start]


FEED_SHARDS = 4
"""Among how many partitions a clinic's feed of changes is spread, by the person's id: as many as
functions may append at once."""

AUDIT_SHARDS = 4
"""Among how many partitions one clinic's audit of a day is spread: each takes 1,000 lines a
second."""


class Key(NamedTuple):
    """The two parts of an item's primary key."""

    pk: str
    sk: str


def clinic_key(clinic: str) -> Key:
    """Which notice is in force, and the clinic's wrapped key."""
    return Key(f"CLINIC#{clinic}", "CLINIC")


def notice_key(clinic: str, version: str) -> Key:
    """One immutable notice version."""
    return Key(f"CLINIC#{clinic}", f"NOTICE#{version}")


def full_notice_key(clinic: str, version: str, lang: str) -> Key:
    """The full notice of one version in one language."""
    return Key(f"CLINIC#{clinic}", f"NOTICE#{version}#{lang}")


def code_key(code: str) -> Key:
    """The short code that stands for a clinic inside a QR code."""
    return Key(f"CODE#{code}", "CODE")


def api_key_key(digest: str) -> Key:
    """A bearer key, by the SHA-256 of its secret."""
    return Key(f"KEY#{digest}", "KEY")


def key_name_key(clinic: str, key_id: str) -> Key:
    """Which bearer key has this id."""
    return Key(f"CLINIC#{clinic}#KEYS", f"APIKEY#{key_id}")


def staff_member_key(clinic: str, member: str) -> Key:
    """Somebody who may sign in to a clinic's desk; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#STAFF#MEMBERS", f"MEMBER#{member}")


def listed_session_key(clinic: str, digest: str, member: str = "") -> Key:
    """A session's place in the list of all sessions of a clinic's staff, by member."""
    return Key(f"CLINIC#{clinic}#STAFF#MEMBERS", f"SESSION#{member}#{digest}")


def session_key(digest: str) -> Key:
    """Somebody signed in to a desk, by the SHA-256 of the secret in their cookie."""
    return Key(f"STAFF#{digest}", "SESSION")


def invitation_key(digest: str) -> Key:
    """An invitation to a desk, by the SHA-256 of its secret."""
    return Key(f"STAFF#{digest}", "INVITATION")


def passkey_key(digest: str) -> Key:
    """Whose a passkey is, by the SHA-256 of its id."""
    return Key(f"STAFF#{digest}", "PASSKEY")


def account_key(digest: str) -> Key:
    """Whose an account of the clinic's own sign-in is, by a hash of clinic, issuer and subject."""
    return Key(f"STAFF#{digest}", "ACCOUNT")


def sign_in_provider_key(clinic: str) -> Key:
    """Where a clinic's own accounts sign in, with the portal's sealed secret there."""
    return Key(f"CLINIC#{clinic}#STAFF#MEMBERS", "PROVIDER")


def spent_challenge_key(digest: str) -> Key:
    """The mark of a passkey's challenge that was answered, by the SHA-256 of the challenge."""
    return Key(f"STAFF#{digest}", "CHALLENGE")


def sign_in_bucket_key(digest: str) -> Key:
    """The token bucket of who signs in from one range of addresses, by its HMAC."""
    return Key(f"STAFF#{digest}", "LIMIT")


def shown_page_key(clinic: str, sha256: str) -> Key:
    """A page exactly as it was shown."""
    return Key(f"CLINIC#{clinic}#SHOWN#{sha256}", "SHOWN")


def prepared_page_key(clinic: str, name: str) -> Key:
    """A page prepared for whoever opens it, by the hash of all that its bytes depend on."""
    return Key(f"CLINIC#{clinic}#SHOWN#{name}", "PREPARED")


def contact_key(clinic: str, lookup: str, place: int = 0) -> Key:
    """One person known under a contact (by its HMAC); place 0 also counts the further ones."""
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", f"CONTACT#{place:06d}" if place else "CONTACT")


def open_orders_key(clinic: str, lookup: str) -> Key:
    """The withdrawal orders that are open for everybody under a contact."""
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", "ORDERS")


def order_key(clinic: str, number: str) -> Key:
    """A withdrawal order that is being carried out; in sixteen partitions."""
    return Key(f"ORDER#{number[0]}", f"{clinic}#{number}")


REFERENCE_DIGITS = 10
"""How many digits of a receipt's id its reference says: as in `domain.receipts`, which the first
page does not load."""

RECEIPT_POINTER = "POINTER#"
"""What the sort key of what leads to a receipt begins with."""


def reference_pk(clinic: str, beginning: str) -> str:
    """The partition of all receipts with one reference: `beginning` is what their ids begin with.

    See `domain.receipts.read_reference`.
    """
    return f"CLINIC#{clinic}#REFERENCE#{beginning}"


def receipt_id_key(clinic: str, receipt_id: str) -> Key:
    """Where the receipt with this id stands, beside the others with its reference."""
    beginning = receipt_id[:REFERENCE_DIGITS]
    return Key(reference_pk(clinic, beginning), f"{RECEIPT_POINTER}{receipt_id}")


def earlier_receipt_id_key(clinic: str, receipt_id: str) -> Key:
    """Where that was kept before there were references: in a partition of its own.

    Receipts of then have both once `consent operator migrate` ran.
    """
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "POINTER")


def subject_pk(clinic: str, subject: str) -> str:
    """The partition of one person at one clinic."""
    return f"CLINIC#{clinic}#SUBJECT#{subject}"


def receipt_key(clinic: str, subject: str, version: int) -> Key:
    """One receipt in its chain."""
    return Key(subject_pk(clinic, subject), f"RECEIPT#{version:010d}")


def answers_page_key(clinic: str, subject: str, page: int) -> Key:
    """One page of a person's answers: `timeline` reads from it what held at another time."""
    return Key(subject_pk(clinic, subject), f"WORDS#{page:06d}")


def late_answers_key(clinic: str, subject: str) -> Key:
    """A person's answers that came in late for pages whose starts are kept no more (`timeline`)."""
    return Key(subject_pk(clinic, subject), "WORDS#late")


def signature_key(clinic: str, subject: str, version: int) -> Key:
    """The signature of one receipt, beside it."""
    return Key(subject_pk(clinic, subject), f"SIGNATURE#{version:010d}")


def unsigned_key(clinic: str, receipt_id: str) -> Key:
    """The mark of a receipt that waits to be signed, as it was before the outbox's item was it.

    In sixteen partitions.
    """
    return Key(f"UNSIGNED#{receipt_id[0]}", f"{clinic}#{receipt_id}")


def outbox_key(clinic: str, number: str) -> Key:
    """What is still to be done after a decision: an item of the outbox, by its receipt's id.

    What no decision led to has another number that nobody can guess. In sixteen partitions, so that
    none takes every write.
    """
    return Key(f"UNSENT#{number[0]}", f"{clinic}#{number}")


def letter_key(clinic: str, number: str) -> Key:
    """The same for what nobody asked for (`outbox.LETTERS`): a queue of its own, in sixteen
    partitions.
    """
    return Key(f"UNASKED#{number[0]}", f"{clinic}#{number}")


def dead_letter_key(clinic: str, number: str) -> Key:
    """What could not be told: an item of the outbox that was given up."""
    return Key(f"DEADLETTER#{clinic}", number)


def delivery_key(clinic: str, subject: str, message: str) -> Key:
    """What became of one message: once per item of the outbox, kind of message and kind of
    contact.
    """
    return Key(subject_pk(clinic, subject), f"LETTER#{message}")


def webhook_key(clinic: str, name: str) -> Key:
    """One of a clinic's recipients of word about decisions, with its sealed secrets."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS", name)


def listed_webhook_key(clinic: str, name: str) -> Key:
    """A recipient's place in the list of all clinics' recipients."""
    return Key("WEBHOOKS", f"{clinic}#{name}")


def webhook_health_key(clinic: str, name: str) -> Key:
    """How sending to a recipient goes; apart, for what sends may not change where it sends."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#HEALTH", name)


def webhook_delivery_key(clinic: str, delivery: str) -> Key:
    """What became of one event for one recipient, in the order of the events."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#DELIVERIES", delivery)


def unacknowledged_key(clinic: str, delivery: str) -> Key:
    """The mark of a delivery that its recipient has not acknowledged yet, in the same order."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#OPEN", delivery)


QUEUED = "DUE#"
"""What the sort key of a delivery that is to be tried begins with; nothing else's does."""


ALERT = "ALERT#"
"""What the sort key of an alert begins with."""


def webhook_queue_key(clinic: str, name: str, due: str, delivery: str) -> Key:
    """A delivery that is to be tried when it is due: each recipient has a queue of its own."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#QUEUE#{name}", f"{QUEUED}{due}#{delivery}")


def undeliverable_key(clinic: str, lookup: str, reason: str) -> Key:
    """The mark of a contact that bounces, or complained.

    Apart from the contact, which its writer may not touch.
    """
    return Key(f"UNDELIVERABLE#{clinic}#{lookup}", reason)


def listed_undeliverable_key(clinic: str, lookup: str, reason: str) -> Key:
    """The same mark in the clinic's list of contacts that staff are to see to (`worklist`)."""
    return Key(f"UNDELIVERABLE#{clinic}", f"{lookup}#{reason}")


def removal_request_key(clinic: str, subject: str, lookup: str) -> Key:
    """That somebody wants a contact removed which their own page cannot remove."""
    return Key(f"CLINIC#{clinic}", f"WISH#{subject}#{lookup}")


def publication_key(clinic: str, publication: str) -> Key:
    """Where something of a person was published, such as a photo."""
    return Key(f"CLINIC#{clinic}", f"PUBLICATION#{publication}")


def alert_key(clinic: str, hour: str, kind: str, about: str) -> Key:
    """What a clinic's administrators are to see: once an hour (such as ``2026-11-30T21``) for each
    kind and whom it is about.
    """
    return Key(f"CLINIC#{clinic}", f"{ALERT}{hour}#{kind}#{about}")


def earlier_undeliverable_key(clinic: str, lookup: str, reason: str) -> Key:
    """Where such a mark stood before it had a partition of its own.

    The last of them ends within a year.
    """
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", f"UNDELIVERABLE#{reason}")


def link_key(link: str) -> Key:
    """A link into the portal, by the hash of its secret."""
    return Key(f"LINK#{link}", "LINK")


def link_secret_key(clinic: str, key_id: str) -> Key:
    """A link key of a clinic's program, by its id; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#LINKKEYS", f"KEY#{key_id}")


def tablet_key(clinic: str, tablet: str) -> Key:
    """A kiosk tablet that was paired with a clinic; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#KIOSKS", f"TABLET#{tablet}")


def tablet_code_key(clinic: str, digest: str) -> Key:
    """A code that is typed at a tablet, by its HMAC."""
    return Key(f"CLINIC#{clinic}#KIOSKS", f"CODE#{digest}")


def links_call_key(call: str) -> Key:
    """The body of a call for links, by the HMAC of its bearer key and Idempotency-Key."""
    return Key(f"LINK#{call}", "CALL")


def job_key(clinic: str, key_id: str, job: str) -> Key:
    """A job, below the bearer key that made it: another key finds none there."""
    return Key(f"CLINIC#{clinic}#JOBS#{key_id}", f"JOB#{job}")


def job_call_key(clinic: str, key_id: str, call: str) -> Key:
    """Which job a call with an Idempotency-Key made, by its HMAC."""
    return Key(f"CLINIC#{clinic}#JOBS#{key_id}", f"CALL#{call}")


def job_part_key(clinic: str, job: str, plan: str, number: int) -> Key:
    """What a part of a job led to."""
    return Key(f"CLINIC#{clinic}#JOB#{job}", f"{plan}#{number:06d}")


def batch_key(clinic: str, batch: str) -> Key:
    """A batch of paper forms that staff enter; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#BATCHES", f"BATCH#{batch}")


def batch_form_key(clinic: str, batch: str, form: str) -> Key:
    """One form of a batch, by the HMAC of its number."""
    return Key(f"CLINIC#{clinic}#BATCH#{batch}", f"FORM#{form}")


def erased_key(clinic: str, subject: str) -> Key:
    """The mark of an erased person of whom empty things are still to be cleared away.

    In sixteen partitions.
    """
    return Key(f"ERASED#{subject[0]}", f"{clinic}#{subject}")


def reminder_key(clinic: str, subject: str, kind: str, reference: str) -> Key:
    """The record of an unsolicited message to a person: once per kind and what it is about."""
    return Key(subject_pk(clinic, subject), f"TOLD#{kind}#{reference}")


def listed_clinic_key(clinic: str) -> Key:
    """A clinic's place in the list of all clinics."""
    return Key("CLINICS", clinic)


def bookmark_key() -> Key:
    """The part of the index of due times at which the last hourly round had to stop."""
    return Key("HOUSEKEEPING", "BOOKMARK")


def walk_key(clinic: str) -> Key:
    """How far the hourly rounds came through all of a clinic's people, and for which version."""
    return Key("HOUSEKEEPING", f"CLINIC#{clinic}")


def migration_key() -> Key:
    """How far an operator's rewriting of people kept as they were before has come."""
    return Key("MIGRATION", "BOOKMARK")


def consent_count_key(clinic: str) -> Key:
    """How many consents a clinic's people had granted when they were last counted."""
    return Key("HOUSEKEEPING", f"GRANTED#{clinic}")


def count_request_key(clinic: str) -> Key:
    """That somebody asked for a new count of the clinic's consents, and when."""
    return Key(f"CLINIC#{clinic}", "COUNT")


def jwk_key(kid: str) -> Key:
    """A public key that signs, or once signed, receipts."""
    return Key("JWKS", kid)


def wrapped_signing_key() -> Key:
    """The key that signs receipts where KMS does not: the private half wrapped by KMS."""
    return Key("SIGNING", "WRAPPED")


def person_key(clinic: str, subject: str) -> Key:
    """How one person stands, in the clinic's list of people: sixteen partitions that list
    everybody.
    """
    return Key(f"CLINIC#{clinic}#ROLL#{subject[0]}", subject)


DUE_INDEX = "due"
"""The index of those in the lists of people for whom something will be due, of all clinics."""


def due_shard(subject: str) -> str:
    """The part of the index of due times that holds a person; sixteen parts."""
    return f"DUE#{subject[0]}"


def clinic_of_person(key: Key) -> str:
    """Give the clinic in whose list of people a place is."""
    return key.pk.removeprefix("CLINIC#").partition("#")[0]


def draft_key(clinic: str, version: str) -> Key:
    """A notice version that is being written or waits to be published."""
    return Key(f"CLINIC#{clinic}", f"DRAFT#{version}")


def personal_data_key(clinic: str, subject: str, what: str) -> Key:
    """A contact, a name or evidence of one person, encrypted under that person's key."""
    return Key(subject_pk(clinic, subject), f"SEALED#{what}")


def scan_key(clinic: str, subject: str, scan: str) -> Key:
    """What is known of the scan of a person's form; the file itself is in S3."""
    return Key(subject_pk(clinic, subject), f"SCAN#{scan}")


def audit_key(clinic: str, recorded_at: str, entry: str) -> Key:
    """One line of the clinic's audit, by its own id in one of a day's partitions."""
    shard = int(entry[0], 16) % AUDIT_SHARDS
    return Key(f"{_audit(clinic, recorded_at)}#{shard}", f"{recorded_at}#{entry}")


def audit_partitions(clinic: str, day: str) -> list[str]:
    """Give every partition in which a day's audit may stand: before there were shards, in one."""
    return [_audit(clinic, day), *(f"{_audit(clinic, day)}#{n}" for n in range(AUDIT_SHARDS))]


def audit_seal_key(clinic: str, day: str) -> Key:
    """The seal of one day of the clinic's audit."""
    return Key(f"CLINIC#{clinic}#AUDITSEALS", f"SEAL#{day}")


def sealed_lines_key(clinic: str, day: str, chain: str, part: int) -> Key:
    """The hashes of the lines that a seal is over, by the seal's own hash; in parts."""
    return Key(audit_seal_key(clinic, day).pk, f"LINES#{day}#{chain}#{part:04d}")


def sealing_key() -> Key:
    """How far sealing the audits of all clinics has come."""
    return Key("AUDITSEALS", "BOOKMARK")


def _audit(clinic: str, day: str) -> str:
    return f"CLINIC#{clinic}#AUDIT#{day[:10]}"


def count_key(clinic: str, day: str, what: str) -> Key:
    """Counts of one day, by what they are about; all days of a clinic stand in their order.

    `what` is ``question#state#source`` where an operator corrects them (`statistics.correct`).
    """
    return Key(f"CLINIC#{clinic}#COUNTS", f"{day}#{what}")


def earlier_count_key(clinic: str, day: str, what: str) -> Key:
    """Where that was kept until December 2026: each day in a partition of its own."""
    return Key(f"CLINIC#{clinic}#COUNT#{day}", what)


def counted_since_key(clinic: str) -> Key:
    """The last day of which counts may still stand in a partition of its own."""
    return Key(f"CLINIC#{clinic}#COUNTS", "SINCE")


def day_of_counts(key: Key) -> tuple[str, str]:
    """Give the day of an item of `count_key`, and what its counts are about."""
    day, _, what = key.sk.partition("#")
    return day, what


def tally_key(clinic: str, day: str, about: Sequence[str]) -> Key:
    """The counts of one day that are about the same (`statistics.Tally`), the source last."""
    return count_key(clinic, day, "#".join(("+", *about)))


def is_tally(what: str) -> bool:
    """Tell whether an item holds counts as `tally_key` places them: no question begins so."""
    return what.startswith("+#")


def about_tally(what: str) -> list[str]:
    """Give what an item of counts is about; a source may hold what parts them."""
    return what.split("#", 4)[1:]


def is_of_one_source(what: str) -> bool:
    """Tell whether an item holds counts of one source, as they were kept before there were others.

    A question's id never begins with "#".
    """
    return what.startswith("#")


def source_of_counts(what: str) -> str:
    """Give the source that such an item is about."""
    return what.split("#", 2)[2]


def reason_count_key(clinic: str, day: str) -> Key:
    """How often each reason for a withdrawal was given on a day; nothing about anybody."""
    return Key(f"CLINIC#{clinic}#REASONS", f"DAY#{day}")


def reason_mark_key(clinic: str, mark: str) -> Key:
    """That a page asked why, and was answered: by an HMAC, for an hour."""
    return Key(f"CLINIC#{clinic}#REASONS", f"ASKED#{mark}")


def feed_shard(subject: str) -> int:
    """Give the part of a clinic's feed in which everything about a person stands."""
    return int(subject[0], 16) % FEED_SHARDS


def feed_key(clinic: str, shard: int, number: int) -> Key:
    """One item of a clinic's feed of changes: in each part they are numbered without a gap."""
    return Key(f"CLINIC#{clinic}#FEED#{shard}", f"{number:012d}")


def feed_counted_key(clinic: str, shard: int) -> Key:
    """Up to which number a part of the feed is in the daily counts."""
    return Key(f"CLINIC#{clinic}#COUNT#feed", str(shard))


def feed_complete_key() -> Key:
    """Until when every receipt of each clinic is in its feed, as the last round found."""
    return Key("HOUSEKEEPING", "FEED")


def bucket_key(clinic: str, digest: str) -> Key:
    """One token bucket, by the HMAC of what it is for."""
    return Key(f"CLINIC#{clinic}#LIMIT#{digest}", "LIMIT")


def portal_key_key() -> Key:
    """The portal's own wrapped key, which belongs to no clinic."""
    return Key("PORTAL", "KEY")


def shared_bucket_key(digest: str) -> Key:
    """One token bucket that all clinics share, by the HMAC of what it is for."""
    return Key(f"LIMIT#{digest}", "LIMIT")


def budget_key(day: str, scope: str, shard: int) -> Key:
    """How many messages of a kind went out on a day: a part of a counter (`message_budgets`)."""
    return Key(f"BUDGET#{day}#{scope}", f"{shard:02d}")


def distinct_key(clinic: str, first: str, second: str) -> Key:
    """That staff said of two who share a contact that they are two people, by opaque ids.

    It stands with the one whose id comes first.
    """
    one, other = sorted((first, second))
    return Key(subject_pk(clinic, one), f"DISTINCT#{other}")


def confirmed_key(clinic: str, subject: str, receipt_id: str, by: str) -> Key:
    """That somebody else confirmed a claim of a person's receipt, by opaque id."""
    return Key(subject_pk(clinic, subject), f"CONFIRMED#{receipt_id}#{by}")


def open_claims_key(clinic: str, receipt_id: str) -> Key:
    """The contacts with which a receipt's claims can be confirmed by a code, and tries so far."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "WAITS")


def counted_key(clinic: str, receipt_id: str) -> Key:
    """The mark that a receipt has been counted which was not signed at once."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "COUNTED")


def written_once(key: Key) -> bool:
    """Tell whether an item is never changed.

    A receipt and what leads to it or signs it, a text, the audit and its seals, the changes, a
    public key.
    """
    return (
        key.sk.startswith(("RECEIPT#", "SIGNATURE#", "NOTICE#", RECEIPT_POINTER))
        or key.sk in {"POINTER", "SHOWN"}
        or "#AUDIT#" in key.pk
        or "#FEED#" in key.pk
        or key.pk.endswith("#AUDITSEALS")
        or key.pk == "JWKS"
    )


def part_of_proof(key: Key) -> bool:
    """Tell whether an item belongs to a person's proof: a receipt, its place, its signature.

    The proof is removed when its time is over.
    """
    return key.sk.startswith(("RECEIPT#", "SIGNATURE#", RECEIPT_POINTER)) or key.sk == "POINTER"


def person_key_of(key: Key) -> Key | None:
    """Give the place in the list of people of the person in whose partition an item stands.

    None for any other item.
    """
    clinic, parted, subject = key.pk.removeprefix("CLINIC#").partition("#SUBJECT#")
    return person_key(clinic, subject) if parted else None


def is_possible(key: Key) -> bool:
    """Tell whether DynamoDB takes a key of this length.

    With a longer one (an address can hold anything) is nothing.
    """
    return len(key.pk.encode()) <= PK_BYTES and len(key.sk.encode()) <= SK_BYTES
