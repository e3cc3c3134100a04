"""What the messages of one item of the outbox are, where their links lead, what they say. Pure.

An item leads to several messages, to contacts that may see different things: a contact that is the
person's own is led to the receipt, any other is only asked what concerns it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import BY_CLINIC, NoticeInForce, major
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.links import (
    PORTAL,
    SHORT_WORDS,
    Link,
    LinkScope,
    LinkSecret,
    path_of,
    short_code,
    short_path_of,
)
from chalicelib.domain.message_outcomes import Reason
from chalicelib.messages.compose import MessageContent, email, text_message
from chalicelib.messages.rules import (
    SCOPES_BY_MESSAGE,
    Message,
    PlannedMessage,
    confirmation_requests,
    ended_consent,
    messages_after,
    why_no_message_follows,
)
from chalicelib.messages.transports import Email, TextMessage
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.outbox import DECIDED, OutboxEntry

LINK_DAYS = 30
"""How long the links in a message open something.

They stop things for longer (`links.UNSUBSCRIBE_LIFETIME`).
"""

RECEIPT_MAIL_EXPIRES = timedelta(days=1)
"""For how long a mail that only confirms that answers were saved is worth sending."""

_ABOUT_EVERYTHING = {Message.RECEIPT, Message.LINK, Message.ERASE}
"""Their links open all of the person's decisions, not only those the message names."""

_ABOUT_OTHERS = {
    Message.WITHDRAWN,
    Message.EXPIRING,
    Message.CHANGED,
    Message.OF_AGE,
    Message.TAKEN_DOWN,
}
"""They may tell of an act of others: anybody may stop something in anybody's name, and staff may
have asked."""


@dataclass(frozen=True, slots=True)
class MessageContext:
    """Everything that one item of the outbox is about, as one of its readers may see it."""

    entry: OutboxEntry
    clinic: Clinic
    key: ClinicKey
    document: Mapping[str, Any]
    """The document of the item's receipt; empty for an item that is about none."""

    in_force: NoticeInForce
    chosen_lang: str
    """The language that the person last chose themself; "" where only others spoke for them."""

    child: str = ""
    """As much of a child's name as its guardian needs; "" for whoever decides for themself."""

    own: bool = False
    """Whether the reader's contact is the person's own: nobody else is led to the receipt."""

    def for_reader(self, planned: PlannedMessage, *, own: bool) -> "MessageContext":
        """Give the context as the reader of a message may see it, and in the reader's language.

        What answers the reader's own act keeps the language of that act. What others did, or may
        have done, is told in the language that the person last chose themself.
        """
        by_clinic = self.document.get("assurance") in BY_CLINIC
        others_act = by_clinic or planned.message in _ABOUT_OTHERS
        if own and others_act and self.chosen_lang in self.clinic.languages:
            return replace(self, own=own, entry=replace(self.entry, lang=self.chosen_lang))
        return replace(self, own=own)

    @property
    def lang(self) -> str:
        """The language of the message: the item's own, unless the clinic has given that up
        since.
        """
        if self.entry.lang in self.clinic.languages:
            return self.entry.lang
        return self.clinic.default_language

    @property
    def consent_ended(self) -> bool:
        """Whether a consent ended with the receipt: then all contacts of the person's own hear of
        it.
        """
        if self.entry.kind != DECIDED:
            return False
        return any(ended_consent(entry) for entry in self.document["decisions"].values())

    def plan(
        self, given: Sequence[Contact], own: Collection[Contact]
    ) -> tuple[PlannedMessage, ...]:
        """Give the messages that follow, each to one kind of contact.

        `given` are the contacts the item came with, else all that are known; those of the person's
        `own` come first.
        """
        kinds = _kinds(given, own)
        entry = self.entry
        if entry.kind in {DECIDED, Message.CONFIRM}:
            own_kinds = {contact.kind for contact in own}
            planned = messages_after(self.document, kinds, own_kinds, self.clinic)
            again = entry.kind == Message.CONFIRM
            return tuple(each for each in planned if not again or each.message is Message.CONFIRM)
        message = Message(entry.kind)
        if message in {Message.REMOVED, Message.NEW_CONTACT}:
            return tuple(PlannedMessage(message, kind, entry.addresses) for kind in kinds)
        if message is Message.REMINDER:
            return confirmation_requests(message, entry.addresses, kinds, self.clinic)
        for kind in map(ContactKind, self.clinic.contact_order):
            if kinds.get(kind):
                return (PlannedMessage(message, kind, entry.addresses),)
        return ()

    def why_nothing_is_planned(self, given: Sequence[Contact], own: Collection[Contact]) -> Reason:
        """Tell why `plan` gave no message."""
        kinds = _kinds(given, own)
        if self.entry.kind == DECIDED:
            return why_no_message_follows(self.document, kinds)
        if not kinds:
            return Reason.NOBODY_KNOWN
        if self.entry.kind in {Message.REMINDER, Message.CONFIRM}:
            return Reason.NO_CONTACT_THAT_CONFIRMS
        return Reason.NOT_THEIR_OWN_CONTACT

    def ends_at(self, planned: PlannedMessage) -> Instant | None:
        """Tell when what a message is about ends: what waits to be confirmed, with the first of
        it.
        """
        if planned.message is not Message.CONFIRM:
            return self.entry.until
        decisions: Mapping[str, Mapping[str, Instant]] = self.document["decisions"]
        return min(decisions[address]["confirm_by"] for address in planned.addresses)

    def about_a_stop(self, planned: PlannedMessage) -> bool:
        """Tell whether a message is about a stop, one that was undone, or a contact that was
        removed.
        """
        evidence = self.document.get("evidence") or {}
        return planned.message in {Message.WITHDRAWN, Message.REMOVED} or "undoes" in evidence

    def may_wait(self, planned: PlannedMessage, now: Instant) -> bool:
        """Tell whether a message waits until its contact may get another of its kind.

        Whoever has got so many links has what one more would bring. That answers were saved is no
        news after a day. Everything else waits as long as it must.
        """
        if planned.message is Message.RECEIPT:
            worth_sending_since = instant(moment(now) - RECEIPT_MAIL_EXPIRES)
            return str(self.document["recorded_at"]) > worth_sending_since
        return planned.message not in {Message.LINK, Message.ERASE}

    def link(self, planned: PlannedMessage, now: Instant) -> Link:
        """Give what the message's links open, and until when."""
        entry = self.entry
        about = () if planned.message in _ABOUT_EVERYTHING else planned.addresses
        expires_at = instant(moment(now) + timedelta(days=LINK_DAYS))
        scopes = {*SCOPES_BY_MESSAGE[planned.message]}
        if scopes & {LinkScope.CONFIRM, LinkScope.ERASE}:
            expires_at = self.ends_at(planned) or expires_at
        return Link(
            entry.clinic, entry.subject, self.lang, about, entry.receipt, now, expires_at, PORTAL
        )

    def addresses(self, secret: LinkSecret, planned: PlannedMessage, base: str) -> dict[str, str]:
        """Give where a message leads, by scope, and `questions`, `notice`, for an own contact
        `receipt`. Those of a text message are short.
        """
        home, lang = f"{base}/{self.clinic.id}", f"lang={self.lang}"
        addresses = {
            "questions": f"{home}?{lang}",
            "notice": f"{home}/notices/{self.in_force.version}?{lang}",
        }
        if self.entry.receipt and self.own:
            addresses["receipt"] = f"{home}/receipts/{self.entry.receipt}?{lang}"
        for scope in SCOPES_BY_MESSAGE[planned.message]:
            token = secret.token(self.key.link_secret(), scope)
            if planned.kind is ContactKind.PHONE and scope in SHORT_WORDS:
                addresses[scope] = base + short_path_of(scope, token)
            else:
                addresses[scope] = base + path_of(scope, token, self.clinic.id)
        return addresses

    def compose(
        self,
        planned: PlannedMessage,
        contact: Contact,
        links: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Email | TextMessage:
        """Write a message: an e-mail, or for a phone a text message."""
        content = self._content(planned, contact, links)
        if contact.kind is ContactKind.PHONE:
            return text_message(content, contact.value)
        return email(content, contact.value, {"clinic": self.clinic.id, **tags})

    def _content(
        self, planned: PlannedMessage, contact: Contact, links: Mapping[str, str]
    ) -> MessageContent:
        entry, document = self.entry, self.document
        answers = document.get("decisions", {})
        about = {address: answers.get(address, {"answer": "yes"}) for address in planned.addresses}
        happened_at = document.get("effective_at") if entry.kind == DECIDED else entry.at
        return MessageContent(
            message=planned.message,
            clinic=self.clinic,
            lang=self.lang,
            answers=self.clinic.describe_answers(about),
            links=links,
            number=entry.receipt or "",
            at=happened_at,
            date=document.get("effective_date", ""),
            until=self.ends_at(planned),
            lost=planned.message is Message.CHANGED and self._follows_another_major_version(),
            text_known="notice" not in document or document["notice"]["version"] is not None,
            code=self._code(planned, contact),
            child=self.child,
        )

    def _follows_another_major_version(self) -> bool:
        return major(self.document["notice"]["version"]) != self.in_force.major

    def _code(self, planned: PlannedMessage, contact: Contact) -> str:
        """Give the code that a text message has beside its link.

        "" where there is nothing to confirm by one.
        """
        confirms = LinkScope.CONFIRM in SCOPES_BY_MESSAGE[planned.message]
        if not confirms or contact.kind is not ContactKind.PHONE or not self.entry.receipt:
            return ""
        return short_code(self.key.link_secret(), self.entry.receipt, contact)


def _kinds(given: Sequence[Contact], own: Collection[Contact]) -> dict[ContactKind, bool]:
    """Tell of each kind of contact that was given whether the first of it is the person's own."""
    kinds: dict[ContactKind, bool] = {}
    for contact in given:
        kinds.setdefault(contact.kind, contact in own)
    return kinds
