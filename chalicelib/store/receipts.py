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
    Address,
    Answer,
    Assurance,
    NoticeInForce,
    Standing,
    State,
    resolve,
)
from chalicelib.domain.contacts import Contact, Kind
from chalicelib.domain.guardians import speaks_alone
from chalicelib.domain.identity import People, also_meant, everyone
from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import Guard
from chalicelib.domain.receipts import Act, Receipt, Subject, decide, marked, receipt_id
from chalicelib.receipts.sd_jwt import disclosed, withhold, wordless
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
from chalicelib.store.lookup import Look, Signature, whose_own
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


class UnknownReceiptError(LookupError):
    """The clinic has no receipt with this id."""


class NoticeChangedError(Exception):
    """A Yes was given to a text that is no longer in force; carries what is. Nothing was stored."""

    def __init__(self, published: Published) -> None:
        super().__init__(published.in_force.version)
        self.published = published


class NothingLeftError(Exception):
    """Nothing is open any more to what somebody wanted to confirm or bring back. Nothing was stored."""


class BusyError(Exception):
    """Others kept deciding for the same person; nothing was stored, trying again is right."""


Still = Callable[[Subject], Collection[Address]]
"""Tells which decisions of a person, as they stand now, are still open to an act."""


class Register:
    """Looks people up and records what they decide."""

    def __init__(self, table: Table, clinics: Clinics, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._table = table
        self._clinics = clinics
        self._pause = pause

    def look(
        self,
        clinic: str,
        contacts: Sequence[Contact] = (),
        *,
        api_key_digest: str | None = None,
        guard: Guard | None = None,
        most: int | None = None,
    ) -> Look:
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
        return Look(
            published=self._clinics.published(clinic, found.get(clinic_key(clinic))),
            people={contact: whose_own(everybody, lookups[contact]) for contact, everybody in reach.items()},
            reach=reach,
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
        act: Act,
        signature: Signature,
        *,
        seen: Look | None = None,
        also: Sequence[Write] | Callable[[Look], Sequence[Write]] = (),
        still: Still | None = None,
        again: Callable[[], Look] | None = None,
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
            guard = None if signature.follows else signature.guard
            look = seen if seen and not attempt else self._looked(act, signature.contacts, guard, again)
            own_yes = act.assurance in _ON_A_PAGE and Answer.YES in act.answers.values()
            if own_yes and act.notice.version != look.published.in_force.version:
                with contextlib.suppress(UnknownReceiptError):
                    return self.receipt(act.clinic, act.receipt_id)  # sent again: recorded before the notice changed
                raise NoticeChangedError(look.published)
            subject = look.meant(act, signature)
            act = _narrowed(act, still(subject)) if still else act
            joins = _joins(act, signature, subject)
            before, subject = subject, self._grown(act, look, subject) if joins else subject
            subject = subject.without([look.lookups[contact] for contact in signature.parts])
            # Words of staff are about the one they saw, not about whoever is reached beside: a stranger, maybe.
            evidence, disclosures = (wordless(act.evidence), ()) if signature.follows else withhold(act.evidence)
            receipt, after = decide(
                subject, replace(act, evidence=evidence), look.published.in_force, known=bool(look.known())
            )
            own = signature if joins else replace(signature, contacts=(), name=None, address=None)
            try:
                key = self._clinics.key(act.clinic)
                word = decisions.left_word(key, signature, look, subject, receipt)
                writes = decisions.writes(
                    key, own, look, subject, after=after, receipt=receipt, disclosures=disclosures
                )
                left = decisions.parting(look, before, subject)
                beside = also(look) if callable(also) else also
                self._table.write([*writes, *left, *word, *beside, *look.spends])
            except ConflictError as conflict:
                if receipt_id_key(act.clinic, act.receipt_id) in conflict.keys:
                    kept = self.receipt(act.clinic, act.receipt_id)
                    if not _stops_anew(act, subject, receipt, kept):
                        return kept
                    act = replace(act, receipt_id=self._number(act, {"after": subject.version}))
                elif contacts_of.in_contacts(conflict.keys):
                    self._split(act.clinic, subject)
            except ContendedError:
                continue
            else:
                return receipt
        raise BusyError

    def _looked(
        self, act: Act, contacts: Sequence[Contact], guard: Guard | None, again: Callable[[], Look] | None
    ) -> Look:
        return again() if again else self.look(act.clinic, contacts, guard=guard)

    def _split(self, clinic: str, subject: Subject) -> None:
        """Give a person places of their own who may still be kept in the items that hold everybody."""
        with contextlib.suppress(LookupError, ConflictError, ContendedError):  # nobody yet, or others got in first
            contacts_of.split(self._table, clinic, subject.id)

    def _grown(self, act: Act, look: Look, subject: Subject) -> Subject:
        """Give a child that decides alone with this act without its guardian's contacts; anybody else as they are.

        Their own are those given now, and the clinic's numbers of them. One round trip more for who grew up.
        """
        if not speaks_alone(look.published.clinic, subject.of_age, act):
            return subject
        key = self._clinics.key(act.clinic)
        known = [contact for contact, _ in reveal(self._table, key, subject).contacts]
        numbers = [key.lookup(contact) for contact in known if contact.kind is Kind.REFERENCE]
        return subject.alone({*look.lookups.values(), *numbers})

    def answer(self, act: Act, signature: Signature, *, seen: Look | None = None, also: Sequence[Put] = ()) -> Receipt:
        """Record somebody's answers, and let each No reach everyone known under the contacts given.

        A person may be known twice, once by e-mail and once by phone: what should stop, stops for both. What is
        said for a child is not said for its guardian, nor the other way round. Very many are reached by an order
        (`orders`). Errors as for `record`.
        """
        seen = seen or self.look(act.clinic, signature.contacts, guard=signature.guard)
        stops = {address: answer for address, answer in act.answers.items() if answer is not Answer.YES}
        reach = {contact: people for contact, people in seen.reach.items() if contact not in signature.beside}
        reached = [each for each in also_meant(reach) if not stops.keys().isdisjoint(each.standings)]
        if len(reached) > withdrawal_orders.MANY:
            made = self._order(replace(act, answers=stops), replace(signature, contacts=_reaching(reach)), seen)
            return self.record(act, signature, seen=seen, also=self._with(also, replace(made, asked_only=True)))
        receipt = self.record(act, signature, seen=seen, also=also)
        if _differs(act, receipt):
            return receipt
        for person in reached:
            if person.id != receipt.document["subject"]:
                number = self._number(act, {"subject": person.id})
                signer = replace(
                    signature, name=None, address=None, person=person.id, proves=(), joins=False, follows=True
                )
                self.record(replace(act, receipt_id=number, answers=stops), signer)
        return receipt

    def withdraw(
        self,
        act: Act,
        signature: Signature,
        *,
        seen: Look | None = None,
        also: Sequence[Put] = (),
        left_only: bool = False,
    ) -> list[Receipt]:
        """Withdraw for everyone known under the contacts, or for a new person where nobody is; a receipt for each.

        A contact that is nobody's without a doubt is kept as withdrawn too: a paper form from before, entered later,
        must not outlive this word. For more people than one request serves there is one receipt and an order
        (`orders`), with which the others follow; with `left_only` none of those for whom nothing is left to stop.
        Errors as for `record`.
        """
        seen = seen or self.look(act.clinic, signature.contacts, guard=signature.guard, most=withdrawal_orders.MANY)
        act = self._everything(act, seen)
        surely, reached = seen.surely(), everyone(seen.reach)
        # What is stopped for everybody who ever typed a contact proves it for none of them.
        signers = [replace(signature, person=person.id, proves=()) for person in reached]
        unused = tuple(contact for contact, people in surely.items() if not people)
        staff = act.assurance in BY_CLINIC  # who would take whoever typed it for the one they see
        if unused:
            signers.append(replace(signature, contacts=unused, person=signature.fresh.id if staff else None))
        if staff:  # the one they see comes first, with what they wrote down
            seen_by_them = {signature.fresh.id, *(person.id for person in everyone(surely))}
            signers.sort(key=lambda signer: signer.person not in seen_by_them)
        if seen.more or len(reached) > withdrawal_orders.MANY:
            made = replace(self._order(act, signature, seen), left_only=left_only)
            if left_only:
                at, notice = act.recorded_at, seen.published.in_force
                left = {each.id for each in reached if has_left(each, act.answers, notice, at)}
                signers = [signer for signer in signers if signer.person in left]
            return self._withdraw_for_many(act, signers[:1], made, seen, also)
        receipts: dict[str, Receipt] = {}
        for number, signer in enumerate(signers):
            subject = signer.person or signer.fresh.id
            if subject in receipts:
                continue
            own = act if not number else replace(act, receipt_id=self._number(act, {"subject": subject}))
            look = seen if not number else None
            by, written = replace(signer, follows=bool(number)), () if number else also
            try:
                receipt = self.record(own, by, seen=look, also=written, still=_unserved(own, receipts))
            except NothingLeftError:  # a contact that was nobody's has just become theirs, who have their receipt
                continue
            receipts[receipt.document["subject"]] = receipt
            meant = {subject, signer.fresh.id, *(each.id for each in reached)}
            if _differs(act, receipt) or receipt.document["subject"] not in meant:
                return [receipt]  # an Idempotency-Key used before, for something else
            if subject != signer.fresh.id and not receipts.keys() & {
                subject,
                signer.fresh.id,
            }:  # sent again, and somebody joined: the first id is another's
                own = replace(act, receipt_id=self._number(act, {"subject": subject}))
                receipts[subject] = self.record(own, replace(signer, follows=True))
        return list(receipts.values())

    def _everything(self, act: Act, seen: Look) -> Act:
        """Give a withdrawal of everything with every question that the clinic ever asked; any other as it is."""
        if not act.everything:
            return act
        ever = dict.fromkeys(self._clinics.ever_asked(seen.published).questions, Answer.WITHDRAW)
        return replace(act, answers={**ever, **act.answers})

    def _withdraw_for_many(
        self, act: Act, first: Sequence[Signature], made: Order, seen: Look, also: Sequence[Put]
    ) -> list[Receipt]:
        """Withdraw for the first, and place the order for everybody else; the order alone where there is no first."""
        if first:
            with_order = self._with(also, made)
            return [self.record(act, replace(signer, apart=True), seen=seen, also=with_order) for signer in first]
        try:
            self._table.write(self._with(also, made)(seen))
        except (ConflictError, ContendedError):
            raise BusyError from None
        return []

    def _order(self, act: Act, signature: Signature, seen: Look) -> Order:
        """Make the order by which an act reaches everybody under its contacts, beginning with the fewest."""
        few_first = sorted(signature.contacts, key=lambda each: (each in seen.more, len(seen.reach[each])))
        return withdrawal_orders.order(act, few_first, signature.base, signature.fresh)

    def _with(self, also: Sequence[Write], made: Order) -> Callable[[Look], Sequence[Write]]:
        """Give what is written with the first receipt of an order: the order, and its marks beside the contacts."""
        key = self._clinics.key(made.act.clinic)
        return lambda look: [*also, *withdrawal_orders.placing(key, made, look.known_by)]

    def _number(self, act: Act, said: Mapping[str, Any]) -> str:
        """Give the id of a receipt that follows from an act, one for each thing `said`."""
        return receipt_id(self._clinics.key(act.clinic).receipt_secret(), act.receipt_id, said)

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

    def standings_at(
        self, clinic: str, people: Sequence[Subject], at: Instant, known_at: Instant
    ) -> Mapping[str, Mapping[Address, Standing]]:
        """Tell how each of these people stood at a time, as the portal knew it at another, by subject id.

        One round trip for a hundred people, none for whom has decided nothing since. For what was true a thousand
        receipts ago a few more.
        """
        told: dict[str, Mapping[Address, Standing]] = {}
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
        return {subject: marked(then, restricted=subject in limited) for subject, then in told.items()}

    def _long_ago(self, clinic: str, person: Subject, at: Instant, known_at: Instant) -> Mapping[Address, Standing]:
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
        chains = [map(read_receipt, self._table.from_on(first, "RECEIPT#")) for first in firsts]
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
        items = self._table.from_on(receipt_key(clinic, person.id, first), "RECEIPT#")
        return [read_receipt(item) for item in (*(found[key] for key in older), *items)]


def _stood(pages: Sequence[Item], at: Instant, known_at: Instant) -> Mapping[Address, Standing]:
    """Tell how a person stood by a page of their words, and what came in late for it, if that stands apart."""
    carried = json.loads(pages[0].body or "")["carried"]
    receipts = [json.loads(each) for page in pages for each in page.texts.values()]
    return timeline.standings_at({name: Standing.read(each) for name, each in carried.items()}, receipts, at, known_at)


def has_left(person: Subject, addresses: Collection[Address], notice: NoticeInForce, at: Instant) -> bool:
    """Tell whether anything of these decisions is left to stop for a person."""
    return any(resolve(person.standings.get(each), notice, at).state not in _STOPPED for each in addresses)


def _reaching(people: People) -> tuple[Contact, ...]:
    """Give the contacts through which a No reaches others (`identity.also_meant`)."""
    wards = tuple(contact for contact in people if contact.kind is Kind.WARD)
    return wards or tuple(people)


def _unserved(act: Act, receipts: Mapping[str, Receipt]) -> Still:
    """Tell that an act is open to everybody but those who have one of these receipts of it."""
    return lambda person: () if person.id in receipts else act.answers


def _narrowed(act: Act, open_now: Collection[Address]) -> Act:
    """Give an act with those of its answers that are still open to it; raise NothingLeftError where none is."""
    answers = {address: answer for address, answer in act.answers.items() if address in open_now}
    if not answers:
        raise NothingLeftError
    return replace(act, answers=answers)


def _stops_anew(act: Act, subject: Subject, receipt: Receipt, kept: Receipt) -> bool:
    """Tell whether a patient's form sent before (`kept`) stops what was allowed since: then it must stop again."""
    later = kept.document["subject"] == subject.id and kept.document["version"] < subject.version
    changes = any(entry["before"] != entry["after"] for entry in receipt.document["decisions"].values())
    stops = any(answer is not Answer.YES for answer in act.answers.values())
    return act.assurance in _ON_A_PAGE and later and changes and stops


def _differs(act: Act, receipt: Receipt) -> bool:
    """Tell whether a receipt is another act's: an Idempotency-Key used before, after which nothing may be written."""
    if act.assurance is Assurance.SELF_ASSERTED or receipt.document["recorded_at"] == act.recorded_at:
        return False
    kept = receipt.document["decisions"]
    said = all(kept.get(address, {}).get("answer") == answer for address, answer in act.answers.items())
    return not said or (act.assurance in BY_CLINIC and not repeats(act, receipt))


def repeats(act: Act, receipt: Receipt) -> bool:
    """Tell whether a receipt of staff tells the same as an act of when and how it was said, words of staff aside."""
    kept, given = receipt.document, act.effective_at
    # A clock that ran ahead was set back to the moment of recording; by the second call it may be that time. And what
    # is said this very moment is recorded after the receipt before it.
    now = kept["effective_at"] == kept["recorded_at"] and (kept["recorded_at"] < given or given == act.recorded_at)
    at = (now or kept["effective_at"] == given) and kept.get("effective_date") == (act.day and act.day.date)
    told = (kept["channel"], disclosed(kept["evidence"], ()), kept["notice"]["lang"])
    return at and told == (act.channel, wordless(act.evidence), act.notice.lang)


def _joins(act: Act, signature: Signature, subject: Subject) -> bool:
    """Tell whether contacts signed with become this person's: of somebody new, or where staff vouch for it.

    Who only claims a contact must not lead others to a known person's Yes, and a withdrawal joins nobody's contacts.
    """
    if not subject.version or signature.joins is not None:
        return not subject.version or bool(signature.joins)
    return act.assurance is not Assurance.SELF_ASSERTED and signature.person is None


def read_receipt(item: Item) -> Receipt:
    """Give the receipt an item of the table holds."""
    canonical = (item.body or "").encode()
    return Receipt(json.loads(canonical), canonical)
