"""Links in the store: made, opened, revoked. See `chalicelib.domain.links` for what a link is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.errors import NoLongerThereError, NotFoundError
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.links import Link, LinkRecipient, LinkScope, LinkSecret, read_token
from chalicelib.domain.program_links import ProgramToken, read_program_token
from chalicelib.domain.subjects import Subject
from chalicelib.store import audit
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.programs import api_key_key, key_name_key, link_key, links_call_key
from chalicelib.store.table import BATCH, ConflictError, Table
from chalicelib.store.writes import Put, SetBody

_SEALED = "link"

REMEMBERED = timedelta(days=365)
"""For how long a link that ended is still known as one that ended, so that a fresh one can be
offered."""


CALL_REMEMBERED = timedelta(days=365)
"""For how long an Idempotency-Key stands for the body it came with first."""


class UnknownLinkError(NotFoundError):
    """No link has this token, or it is for something else."""


class OldLinkError(NoLongerThereError):
    """The link is too old or revoked; carries it, so that a fresh one can be offered."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.clinic)
        self.link = link


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link that was followed: its id, what it says, and whom it is for."""

    id: str
    link: Link
    recipient: LinkRecipient


def link_writes(
    key: ClinicKey, made: Sequence[tuple[LinkSecret, Link, LinkRecipient]], *, passing: bool = False
) -> list[Put]:
    """Give the items of new links.

    The recipient is encrypted under the link's secret, which the table does not hold. Each is
    forgotten a year after it opens nothing more: a `passing` link, which stops nothing by itself,
    sooner.
    """
    writes: list[Put] = []
    for secret, link, recipient in made:
        ends = link.expires_at if passing else link.unsubscribes_until
        blob = key.encrypt(_SEALED, secret.value.hex(), secret.link_id, recipient.plain())
        ttl = int((moment(ends) + REMEMBERED).timestamp())
        writes.append(
            Put(link_key(secret.link_id), {"body": link.stored(), "blob": blob, "ttl": ttl})
        )
    return writes


def keep_links(
    table: Table, key: ClinicKey, made: Sequence[tuple[LinkSecret, Link, LinkRecipient]]
) -> list[Link]:
    """Keep new links, a hundred in a round trip.

    Those made before by the very same call stay as they are. Gives each as it is kept: one made
    before ends when it did, and may be revoked.
    """
    kept: list[Link] = []
    for start in range(0, len(made), BATCH):
        batch = made[start : start + BATCH]
        new, before = link_writes(key, batch), dict[Key, Item]()
        while new:
            try:
                table.write(new)
            except ConflictError as there:
                before |= table.get(list(there.keys))
                new = [put for put in new if put.key not in there.keys]
            else:
                break
        found = [before.get(link_key(secret.link_id)) for secret, _, _ in batch]
        kept += [
            Link.read(item.body or "") if item else link
            for item, (_, link, _) in zip(found, batch, strict=True)
        ]
    return kept


def remember_call(table: Table, call: str, body: str, now: Instant) -> bool:
    """Keep the digest of a call's body under its Idempotency-Key.

    Tells False where another body came with that key.
    """
    key = links_call_key(call)
    ends = moment(now) + CALL_REMEMBERED
    if table.put_new(Put(key, {"body": body, "ttl": int(ends.timestamp())})):
        return True
    before = table.get([key]).get(key)
    return before is None or before.body == body


def open_link(
    table: Table, clinics: Clinics, token: str, scope: LinkScope, now: Instant
) -> OpenedLink:
    """Follow a token.

    Raises UnknownLinkError, or OldLinkError where it once opened this, or its key is revoked. One
    round trip, and two more for the key of a program's link. A link whose key is revoked still
    stops things: that is the safe side, and its address stands in mails that were sent.
    """
    made_elsewhere = read_program_token(token)
    if made_elsewhere is not None:
        return _open_made_elsewhere(table, clinics, made_elsewhere, token, scope, now)
    parts = read_token(token)
    if parts is None:
        raise UnknownLinkError
    secret, proof = parts
    item = _item(table, secret.link_id)
    link = Link.read(item.body or "")
    key = clinics.key(link.clinic)
    if not secret.grants(key.link_secret(), scope, proof):
        raise UnknownLinkError
    if not link.opens(scope, now) or (
        scope is not LinkScope.UNSUBSCRIBE and _key_is_gone(table, link)
    ):
        raise OldLinkError(link)
    plain = key.decrypt(_SEALED, secret.value.hex(), secret.link_id, bytes(item.blob or b""))
    return OpenedLink(secret.link_id, link, LinkRecipient.read(plain))


def _open_made_elsewhere(  # noqa: PLR0917 - the token, read and as it came
    table: Table, clinics: Clinics, token: ProgramToken, text: str, scope: LinkScope, now: Instant
) -> OpenedLink:
    """Follow a link that a program made by itself; errors as `open_link`.

    It unsubscribes as long as any, also where its key is revoked or its epoch over.
    """
    from chalicelib.store import link_keys  # noqa: PLC0415 - few links are made so

    found = link_keys.open_program_link(table, clinics, token, text, now)
    if found is None or scope not in link_keys.OPENS:
        raise UnknownLinkError
    stops = scope is LinkScope.UNSUBSCRIBE
    ended = not found.link.opens(scope, now) or (found.ended and not stops)
    if ended or (not stops and _key_is_gone(table, found.link)):
        raise OldLinkError(found.link)
    return OpenedLink(found.id, found.link, found.recipient)


def audit_line(opened: OpenedLink, what: str, subjects: Sequence[Subject], at: Instant) -> Put:
    """Give the audit line of a link that was followed: whom it led to, its id, who made it."""
    ids = [subject.id for subject in subjects]
    return audit.line(
        opened.link.clinic, "patient", what, at, ids, link=opened.id, link_by=opened.link.by
    )


def _key_is_gone(table: Table, link: Link) -> bool:
    """Tell whether the bearer key that made a link is revoked, or not to be found."""
    if not link.by_program:
        return False
    name = key_name_key(link.clinic, link.by)
    named = table.get([name]).get(name)
    if named is None:
        return True
    place = api_key_key(named.body or "")
    kept = table.get([place]).get(place)
    return kept is None or BearerKey.read(kept.body or "").revoked_at is not None


def revoke(table: Table, clinic: str, links: Sequence[str], at: Instant) -> int:
    """Revoke a clinic's links by id; tell how many were still good.

    Another clinic's are left alone.
    """
    found = table.get([link_key(each) for each in links])
    revoked = 0
    for item in found.values():
        link = Link.read(item.body or "")
        if link.clinic == clinic and link.revoked_at is None:
            table.write(
                [SetBody(item.key, replace(link, revoked_at=at).stored(), was=item.body or "")]
            )
            revoked += 1
    return revoked


def _item(table: Table, link: str) -> Item:
    key = link_key(link)
    item = table.get([key]).get(key)
    if item is None:
        raise UnknownLinkError
    return item
