"""The register of consents: who is known under a contact, how they stand, and every receipt ever given.

A look is one round trip, a decision one more. How a person stands is kept in the entry of each of their contacts, so
that whoever is asked for is found together with the answer; the receipts are the chain that proves it. The next
receipt of a chain can be written once: that is what keeps two decisions at the same moment apart.
"""

import contextlib
import heapq
import itertools
import json
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from chalicelib.domain.consent import (
    BY_CLINIC,
    Answer,
    AnswerSummary,
    Assurance,
    NoticeInForce,
    QuestionId,
    State,
    resolve,
)
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision, decide, receipt_id
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.guardians import becomes_independent
from chalicelib.domain.identity import People, all_subjects, subjects_to_stop
from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject, with_restriction
from chalicelib.receipts.sd_jwt import redact_evidence, with_disclosures, without_free_text
from chalicelib.store import contacts as contacts_of
from chalicelib.store import decisions, rate_limits, timeline, withdrawal_orders
from chalicelib.store.clinics import Clinics, Published
from chalicelib.store.keys import (
    Key,
    api_key_key,
    clinic_key,
    late_words_key,
    receipt_id_key,
    receipt_key,
    signature_key,
    words_key,
)
from chalicelib.store.lookup import Identification, Lookup, owners
from chalicelib.store.personal_data import reveal
from chalicelib.store.signatures import signed_receipt
from chalicelib.store.table import (
    ConflictError,
    ContendedError,
    Item,
    Put,
    Table,
    Write,
)
from chalicelib.store.withdrawal_orders import Order

NEWEST = 2000
"""How many receipts a person's own page and file hold: what a Lambda may answer, 6 MB, holds them at their longest."""

NOTHING: Mapping[str, int] = MappingProxyType({})
ATTEMPTS = 8
_FIRST_PAUSE = 0.02

_STOPPED = (State.REFUSED, State.WITHDRAWN)
"""The states in which nothing is left to stop."""

_ON_A_PAGE = (Assurance.SELF_ASSERTED, Assurance.LINK)
"""How sure the portal is of a patient who answers on a page that was open: its text may have changed since."""


class UnknownReceiptError(NotFoundError):
    """The clinic has no receipt with this id."""


class NoticeChangedError(RejectedError):
    """A Yes was given to a text that is no longer in force; carries what is. Nothing was stored."""

    def __init__(self, published: Published) -> None:
        super().__init__(published.in_force.version)
        self.published = published


class NoOpenQuestionError(RejectedError):
    """Nothing is open any more to what somebody wanted to confirm or bring back. Nothing was stored."""


class BusyError(ConcurrentWriteError):
    """Others kept deciding for the same person; nothing was stored, trying again is right."""


Recheck = Callable[[Subject], Collection[QuestionId]]
"""Tells which decisions of a person, as they stand now, are still open to an act."""


class Register:
    """Looks people up and records what they decide."""

    def __init__(self, table: Table, clinics: Clinics, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._table = table
        self._clinics = clinics
        self._pause = pause

    def look_up(
        self,
        clinic: str,
        contacts: Sequence[Contact] = (),
        *,
        api_key_digest: str | None = None,
        guard: RateLimitCheck | None = None,
        most: int | None = None,
    ) -> Lookup:
        """Read the clinic, the people behind contacts, a bearer key and a public post's buckets in one go.

        Of a contact that very many people share no more than `most` are read, where that is said. Raises
        UnknownClinicError, and TooManyError where one of the guard's buckets is empty.
        """
        key = self._clinics.key
        lookups = {contact: key(clinic).lookup(contact) for contact in contacts}
        keys: list[Key] = [clinic_key(clinic)]
        if api_key_digest is not None:
            keys.append(api_key_key(api_key_digest))
        if guard is not None:
            keys += rate_limits.keys_of(guard, key(clinic))
        known_by, found = contacts_of.read(self._table, clinic, list(lookups.values()), keys, most)
        key_item = found.get(api_key_key(api_key_digest)) if api_key_digest is not None else None
        reach = {contact: known_by[lookup].people for contact, lookup in lookups.items()}
        return Lookup(
            published=self._clinics.published(clinic, found.get(clinic_key(clinic))),
            people={contact: owners(everybody, lookups[contact]) for contact, everybody in reach.items()},
            stored_under=reach,
            lookups=lookups,
            stored={subject: text for known in known_by.values() for subject, text in known.texts.items()},
            known_by=known_by,
            more=frozenset(contact for contact, lookup in lookups.items() if known_by[lookup].more),
            api_key=key_item.body if key_item else None,
            spends=rate_limits.spends(guard, key(clinic), found) if guard else (),
        )

    def api_key(self, digest: str) -> str | None:
        """Read a bearer key's record by its digest; None where there is no such key. One round trip."""
        place = api_key_key(digest)
        found = self._table.get([place]).get(place)
        return found.body if found else None

    def record(
        self,
        decision: Decision,
        identification: Identification,
        *,
        seen: Lookup | None = None,
        also: Sequence[Write] | Callable[[Lookup], Sequence[Write]] = (),
        still: Recheck | None = None,
        again: Callable[[], Lookup] | None = None,
    ) -> Receipt:
        """Record one act of deciding and give its receipt; the same act again gives the same receipt.

        `seen` is a look at these contacts made just now, `again` makes another where somebody else got in first, `also`
        is what must be written with the receipt or not at all, `still` tells which of the decisions are still open.
        Raises NothingLeftError where none is, NoticeChangedError for a Yes to a text that is not in force, TooManyError
        where the signature's guard refuses, BusyError when others kept getting in first, UnavailableError when the
        store cannot be reached. After the last three the same act may be sent again.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(_FIRST_PAUSE * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - spreads retries
            guard = None if identification.follows else identification.guard
            lookup = seen if seen and not attempt else self._looked(decision, identification.contacts, guard, again)
            own_yes = decision.assurance in _ON_A_PAGE and Answer.YES in decision.answers.values()
            if own_yes and decision.notice.version != lookup.published.in_force.version:
                with contextlib.suppress(UnknownReceiptError):
                    return self.receipt(
                        decision.clinic, decision.receipt_id
                    )  # sent again: recorded before the notice changed
                raise NoticeChangedError(lookup.published)
            subject = lookup.resolve_subject(decision, identification)
            decision = _narrowed(decision, still(subject)) if still else decision
            joins = _joins(decision, identification, subject)
            before, subject = subject, self._grown(decision, lookup, subject) if joins else subject
            subject = subject.without([lookup.lookups[contact] for contact in identification.parts])
            # Words of staff are about the one they saw, not about whoever is reached beside: a stranger, maybe.
            evidence, disclosures = (
                (without_free_text(decision.evidence), ())
                if identification.follows
                else redact_evidence(decision.evidence)
            )
            receipt, after = decide(
                subject, replace(decision, evidence=evidence), lookup.published.in_force, known=bool(lookup.known())
            )
            own = identification if joins else replace(identification, contacts=(), name=None, address=None)
            try:
                key = self._clinics.key(decision.clinic)
                word = decisions.outbox_writes_for(key, identification, lookup, subject, receipt)
                writes = decisions.writes(
                    key, own, lookup, subject, after=after, receipt=receipt, disclosures=disclosures
                )
                left = decisions.detach_contacts(lookup, before, subject)
                beside = also(lookup) if callable(also) else also
                self._table.write([*writes, *left, *word, *beside, *lookup.spends])
            except ConflictError as conflict:
                if receipt_id_key(decision.clinic, decision.receipt_id) in conflict.keys:
                    kept = self.receipt(decision.clinic, decision.receipt_id)
                    if not _stops_anew(decision, subject, receipt, kept):
                        return kept
                    decision = replace(decision, receipt_id=self._number(decision, {"after": subject.version}))
                elif contacts_of.in_contacts(conflict.keys):
                    self._split(decision.clinic, subject)
            except ContendedError:
                continue
            else:
                return receipt
        raise BusyError

    def _looked(
        self,
        decision: Decision,
        contacts: Sequence[Contact],
        guard: RateLimitCheck | None,
        again: Callable[[], Lookup] | None,
    ) -> Lookup:
        return again() if again else self.look_up(decision.clinic, contacts, guard=guard)

    def _split(self, clinic: str, subject: Subject) -> None:
        """Give a person places of their own who may still be kept in the items that hold everybody."""
        with contextlib.suppress(LookupError, ConflictError, ContendedError):  # nobody yet, or others got in first
            contacts_of.split(self._table, clinic, subject.id)

    def _grown(self, decision: Decision, lookup: Lookup, subject: Subject) -> Subject:
        """Give a child that decides alone with this act without its guardian's contacts; anybody else as they are.

        Their own are those given now, and the clinic's numbers of them. One round trip more for who grew up.
        """
        if not becomes_independent(lookup.published.clinic, subject.of_age, decision):
            return subject
        key = self._clinics.key(decision.clinic)
        known = [contact for contact, _ in reveal(self._table, key, subject).contacts]
        numbers = [key.lookup(contact) for contact in known if contact.kind is ContactKind.REFERENCE]
        return subject.independent({*lookup.lookups.values(), *numbers})

    def answer(
        self,
        decision: Decision,
        identification: Identification,
        *,
        seen: Lookup | None = None,
        also: Sequence[Put] = (),
    ) -> Receipt:
        """Record somebody's answers, and let each No reach everyone known under the contacts given.

        A person may be known twice, once by e-mail and once by phone: what should stop, stops for both. What is
        said for a child is not said for its guardian, nor the other way round. Very many are reached by an order
        (`orders`). Errors as for `record`.
        """
        seen = seen or self.look_up(decision.clinic, identification.contacts, guard=identification.guard)
        stops = {address: answer for address, answer in decision.answers.items() if answer is not Answer.YES}
        reach = {
            contact: people for contact, people in seen.stored_under.items() if contact not in identification.beside
        }
        reached = [each for each in subjects_to_stop(reach) if not stops.keys().isdisjoint(each.standings)]
        if len(reached) > withdrawal_orders.MANY:
            made = self._order(
                replace(decision, answers=stops), replace(identification, contacts=_reaching(reach)), seen
            )
            return self.record(
                decision, identification, seen=seen, also=self._with(also, replace(made, asked_only=True))
            )
        receipt = self.record(decision, identification, seen=seen, also=also)
        if _differs(decision, receipt):
            return receipt
        for person in reached:
            if person.id != receipt.document["subject"]:
                number = self._number(decision, {"subject": person.id})
                signer = replace(
                    identification, name=None, address=None, person=person.id, proves=(), joins=False, follows=True
                )
                self.record(replace(decision, receipt_id=number, answers=stops), signer)
        return receipt

    def withdraw(
        self,
        decision: Decision,
        identification: Identification,
        *,
        seen: Lookup | None = None,
        also: Sequence[Put] = (),
        left_only: bool = False,
    ) -> list[Receipt]:
        """Withdraw for everyone known under the contacts, or for a new person where nobody is; a receipt for each.

        A contact that is nobody's without a doubt is kept as withdrawn too: a paper form from before, entered later,
        must not outlive this word. For more people than one request serves there is one receipt and an order
        (`orders`), with which the others follow; with `left_only` none of those for whom nothing is left to stop.
        Errors as for `record`.
        """
        seen = seen or self.look_up(
            decision.clinic, identification.contacts, guard=identification.guard, most=withdrawal_orders.MANY
        )
        decision = self._everything(decision, seen)
        surely, reached = seen.unambiguous(), all_subjects(seen.stored_under)
        # What is stopped for everybody who ever typed a contact proves it for none of them.
        signers = [replace(identification, person=person.id, proves=()) for person in reached]
        unused = tuple(contact for contact, people in surely.items() if not people)
        staff = decision.assurance in BY_CLINIC  # who would take whoever typed it for the one they see
        if unused:
            signers.append(replace(identification, contacts=unused, person=identification.fresh.id if staff else None))
        if staff:  # the one they see comes first, with what they wrote down
            seen_by_them = {identification.fresh.id, *(person.id for person in all_subjects(surely))}
            signers.sort(key=lambda signer: signer.person not in seen_by_them)
        if seen.more or len(reached) > withdrawal_orders.MANY:
            made = replace(self._order(decision, identification, seen), left_only=left_only)
            if left_only:
                at, notice = decision.recorded_at, seen.published.in_force
                left = {each.id for each in reached if has_open_answer(each, decision.answers, notice, at)}
                signers = [signer for signer in signers if signer.person in left]
            return self._withdraw_for_many(decision, signers[:1], made, seen, also)
        receipts: dict[str, Receipt] = {}
        for number, signer in enumerate(signers):
            subject = signer.person or signer.fresh.id
            if subject in receipts:
                continue
            own = decision if not number else replace(decision, receipt_id=self._number(decision, {"subject": subject}))
            lookup = seen if not number else None
            by, written = replace(signer, follows=bool(number)), () if number else also
            try:
                receipt = self.record(own, by, seen=lookup, also=written, still=_unserved(own, receipts))
            except NoOpenQuestionError:  # a contact that was nobody's has just become theirs, who have their receipt
                continue
            receipts[receipt.document["subject"]] = receipt
            meant = {subject, signer.fresh.id, *(each.id for each in reached)}
            if _differs(decision, receipt) or receipt.document["subject"] not in meant:
                return [receipt]  # an Idempotency-Key used before, for something else
            if subject != signer.fresh.id and not receipts.keys() & {
                subject,
                signer.fresh.id,
            }:  # sent again, and somebody joined: the first id is another's
                own = replace(decision, receipt_id=self._number(decision, {"subject": subject}))
                receipts[subject] = self.record(own, replace(signer, follows=True))
        return list(receipts.values())

    def _everything(self, decision: Decision, seen: Lookup) -> Decision:
        """Give a withdrawal of everything with every question that the clinic ever asked; any other as it is."""
        if not decision.everything:
            return decision
        ever = dict.fromkeys(self._clinics.with_all_past_questions(seen.published).questions, Answer.WITHDRAW)
        return replace(decision, answers={**ever, **decision.answers})

    def _withdraw_for_many(
        self, decision: Decision, first: Sequence[Identification], made: Order, seen: Lookup, also: Sequence[Put]
    ) -> list[Receipt]:
        """Withdraw for the first, and place the order for everybody else; the order alone where there is no first."""
        if first:
            with_order = self._with(also, made)
            return [self.record(decision, replace(signer, apart=True), seen=seen, also=with_order) for signer in first]
        try:
            self._table.write(self._with(also, made)(seen))
        except (ConflictError, ContendedError):
            raise BusyError from None
        return []

    def _order(self, decision: Decision, identification: Identification, seen: Lookup) -> Order:
        """Make the order by which an act reaches everybody under its contacts, beginning with the fewest."""
        few_first = sorted(identification.contacts, key=lambda each: (each in seen.more, len(seen.stored_under[each])))
        return withdrawal_orders.order(decision, few_first, identification.base, identification.fresh)

    def _with(self, also: Sequence[Write], made: Order) -> Callable[[Lookup], Sequence[Write]]:
        """Give what is written with the first receipt of an order: the order, and its marks beside the contacts."""
        key = self._clinics.key(made.decision.clinic)
        return lambda lookup: [*also, *withdrawal_orders.placing(key, made, lookup.known_by)]

    def _number(self, decision: Decision, said: Mapping[str, Any]) -> str:
        """Give the id of a receipt that follows from an act, one for each thing `said`."""
        return receipt_id(self._clinics.key(decision.clinic).receipt_secret(), decision.receipt_id, said)

    def receipt(self, clinic: str, number: str) -> Receipt:
        """Give a receipt by its id; raise UnknownReceiptError."""
        return self.issued(clinic, number)[0]

    def issued(self, clinic: str, number: str) -> tuple[Receipt, str | None]:
        """Give a receipt by its id and itself signed (JWS, compact), None while that waits; errors as for `receipt`.

        The signature stands beside the receipt, so it is read with it.
        """
        pointer = receipt_id_key(clinic, number)
        where = self._table.get([pointer]).get(pointer)
        if where is None or where.body is None:
            raise UnknownReceiptError(number)
        place = json.loads(where.body)
        key, beside = (make(clinic, place["subject"], place["version"]) for make in (receipt_key, signature_key))
        found = self._table.get([key, beside])
        if key not in found:
            raise UnknownReceiptError(number)
        receipt = read_receipt(found[key])
        return receipt, signed_receipt(receipt, found.get(beside))

    def answers_as_of(
        self, clinic: str, people: Sequence[Subject], at: Instant, known_at: Instant
    ) -> Mapping[str, Mapping[QuestionId, AnswerSummary]]:
        """Tell how each of these people stood at a time, as the portal knew it at another, by subject id.

        One round trip for a hundred people, none for whom has decided nothing since. For what was true a thousand
        receipts ago a few more.
        """
        told: dict[str, Mapping[QuestionId, AnswerSummary]] = {}
        pages: dict[Key, Subject] = {}
        for person in people:
            page = timeline.page_for(person.fences, person.version, at, known_at)
            if person.latest <= at and person.recorded_at <= known_at:
                told[person.id] = person.standings
            elif page is None:
                told[person.id] = self._long_ago(clinic, person, at, known_at)
            else:
                pages[words_key(clinic, person.id, page)] = person
        found = self._table.get(list(pages))
        for key, person in pages.items():
            told[person.id] = _stood([found[key]], at, known_at)
        # Restricting forbids the use from now on, whatever time is asked about (GDPR Art. 18(2)).
        limited = {person.id for person in people if person.restricted_since is not None}
        return {subject: with_restriction(then, restricted=subject in limited) for subject, then in told.items()}

    def _long_ago(
        self, clinic: str, person: Subject, at: Instant, known_at: Instant
    ) -> Mapping[QuestionId, AnswerSummary]:
        """Tell how somebody stood before the pages whose fences are kept: those bear theirs themselves."""

        def page_at(number: int) -> Item:
            key = words_key(clinic, person.id, number)
            return self._table.get([key])[key]

        pages = timeline.first_kept(person.fences, person.version)
        number = timeline.search(pages, lambda each: json.loads(page_at(each).body or "")["fence"], at, known_at)
        page, late = words_key(clinic, person.id, number), late_words_key(clinic, person.id)
        found = self._table.get([page, late])
        return _stood([found[page], found[late]], at, known_at)

    def history(
        self, clinic: str, people: Sequence[Subject], behind: Mapping[str, int] = NOTHING, most: int | None = None
    ) -> list[Receipt]:
        """Give every receipt of these people, in the order they were recorded.

        Or of each person those behind the version named here, and `most` in all.
        """
        firsts = [receipt_key(clinic, subject.id, behind.get(subject.id, 0) + 1) for subject in people]
        chains = [map(read_receipt, self._table.from_key(first, "RECEIPT#")) for first in firsts]
        # Merged by time, each chain in its own order: of two at once the later version may carry the earlier time.
        merged = heapq.merge(*chains, key=lambda receipt: str(receipt.document["recorded_at"]))
        return list(itertools.islice(merged, most))

    def newest(self, clinic: str, person: Subject) -> list[Receipt]:
        """Give the last `NEWEST` receipts of a person, and before them those of older words that still stand.

        For who has been flooded with receipts: the rest is kept, and `history` reads it.
        """
        first = max(1, person.version - NEWEST + 1)
        standing = {word.version for each in person.standings.values() for word in (each.last, each.claim) if word}
        older = [receipt_key(clinic, person.id, version) for version in sorted(standing) if version < first]
        found = self._table.get(older) if older else {}
        items = self._table.from_key(receipt_key(clinic, person.id, first), "RECEIPT#")
        return [read_receipt(item) for item in (*(found[key] for key in older), *items)]


def _stood(pages: Sequence[Item], at: Instant, known_at: Instant) -> Mapping[QuestionId, AnswerSummary]:
    """Tell how a person stood by a page of their words, and what came in late for it, if that stands apart."""
    carried = json.loads(pages[0].body or "")["carried"]
    receipts = [json.loads(each) for page in pages for each in page.texts.values()]
    return timeline.answers_as_of(
        {name: AnswerSummary.read(each) for name, each in carried.items()}, receipts, at, known_at
    )


def has_open_answer(person: Subject, addresses: Collection[QuestionId], notice: NoticeInForce, at: Instant) -> bool:
    """Tell whether anything of these decisions is left to stop for a person."""
    return any(resolve(person.standings.get(each), notice, at).state not in _STOPPED for each in addresses)


def _reaching(people: People) -> tuple[Contact, ...]:
    """Give the contacts through which a No reaches others (`identity.subjects_to_stop`)."""
    wards = tuple(contact for contact in people if contact.kind is ContactKind.WARD)
    return wards or tuple(people)


def _unserved(decision: Decision, receipts: Mapping[str, Receipt]) -> Recheck:
    """Tell that an act is open to everybody but those who have one of these receipts of it."""
    return lambda person: () if person.id in receipts else decision.answers


def _narrowed(decision: Decision, open_now: Collection[QuestionId]) -> Decision:
    """Give an act with those of its answers that are still open to it; raise NothingLeftError where none is."""
    answers = {address: answer for address, answer in decision.answers.items() if address in open_now}
    if not answers:
        raise NoOpenQuestionError
    return replace(decision, answers=answers)


def _stops_anew(decision: Decision, subject: Subject, receipt: Receipt, kept: Receipt) -> bool:
    """Tell whether a patient's form sent before (`kept`) stops what was allowed since: then it must stop again."""
    later = kept.document["subject"] == subject.id and kept.document["version"] < subject.version
    changes = any(entry["before"] != entry["after"] for entry in receipt.document["decisions"].values())
    stops = any(answer is not Answer.YES for answer in decision.answers.values())
    return decision.assurance in _ON_A_PAGE and later and changes and stops


def _differs(decision: Decision, receipt: Receipt) -> bool:
    """Tell whether a receipt is another act's: an Idempotency-Key used before, after which nothing may be written."""
    if decision.assurance is Assurance.SELF_ASSERTED or receipt.document["recorded_at"] == decision.recorded_at:
        return False
    kept = receipt.document["decisions"]
    said = all(kept.get(address, {}).get("answer") == answer for address, answer in decision.answers.items())
    return not said or (decision.assurance in BY_CLINIC and not repeats(decision, receipt))


def repeats(decision: Decision, receipt: Receipt) -> bool:
    """Tell whether a receipt of staff tells the same as an act of when and how it was said, words of staff aside."""
    kept, given = receipt.document, decision.effective_at
    # A clock that ran ahead was set back to the moment of recording; by the second call it may be that time. And what
    # is said this very moment is recorded after the receipt before it.
    now = kept["effective_at"] == kept["recorded_at"] and (kept["recorded_at"] < given or given == decision.recorded_at)
    at = (now or kept["effective_at"] == given) and kept.get("effective_date") == (decision.day and decision.day.date)
    told = (kept["channel"], with_disclosures(kept["evidence"], ()), kept["notice"]["lang"])
    return at and told == (decision.channel, without_free_text(decision.evidence), decision.notice.lang)


def _joins(decision: Decision, identification: Identification, subject: Subject) -> bool:
    """Tell whether contacts signed with become this person's: of somebody new, or where staff vouch for it.

    Who only claims a contact must not lead others to a known person's Yes, and a withdrawal joins nobody's contacts.
    """
    if not subject.version or identification.joins is not None:
        return not subject.version or bool(identification.joins)
    return decision.assurance is not Assurance.SELF_ASSERTED and identification.person is None


def read_receipt(item: Item) -> Receipt:
    """Give the receipt an item of the table holds."""
    canonical = (item.body or "").encode()
    return Receipt(json.loads(canonical), canonical)
