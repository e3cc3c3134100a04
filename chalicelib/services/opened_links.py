"""Whom a personal link is for, when somebody follows it."""

from chalicelib.domain.links import LinkScope
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.store.links import OldLinkError, OpenedLink
from chalicelib.store.lookup import Lookup

OPENED = {
    LinkScope.ASK: "link",
    LinkScope.MANAGE: "own page",
    LinkScope.ERASE: "erase page",
}
"""What the audit calls the page that a link opened."""


def subjects_of_link(opened: OpenedLink, lookup: Lookup) -> tuple[Subject, ...]:
    """Give the people a link is for; raise OldLinkError where it was for one who is gone.

    A link that names nobody is for whoever has its contact, and not for the children they decide
    for.
    """
    contact, subject = opened.recipient.contact, opened.link.subject
    if subject is None:
        found = lookup.likely_matches(contact)
        return tuple(person for person in found if not person.of_age)
    named = tuple(
        person
        for person in lookup.people[contact]
        if person.id == subject or subject in person.merged
    )
    if not named:
        raise OldLinkError(opened.link)
    return named


def look_up_holder(portal: Portal, opened: OpenedLink) -> Lookup:
    """Look up who is known under the contact that a link came to. One round trip."""
    return portal.directory.look_up(opened.link.clinic, [opened.recipient.contact])
