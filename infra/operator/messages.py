"""An operator's commands about messages: what went out, what not and why, what waits, budgets.

consent operator messages list riga-aesthetics 3f2a…
consent operator messages waiting riga-aesthetics
consent operator messages dead riga-aesthetics
consent operator messages retry riga-aesthetics
consent operator messages budgets
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping

from chalicelib.domain.contacts import REACHABLE_KINDS
from chalicelib.domain.message_budgets import Budget, day_of
from chalicelib.domain.message_outcomes import Reason
from chalicelib.portal import Portal, get_portal
from chalicelib.services.message_history import MessageRecord, WaitingItem, explain
from chalicelib.store import deliveries, message_budgets, outbox
from chalicelib.store.message_budgets import BudgetUse
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import Table
from infra.operator.arguments import (
    Commands,
    add_clinic,
    add_command,
    add_group,
    require_clinic,
)
from infra.operator.cli.errors import CommandError

CHANNELS = {"email": "e-mail", "phone": "SMS", "": "-"}

EXPLANATIONS: Mapping[str, str] = {
    Reason.IMPORTED: "the receipt was taken over from another system: it is no news to the patient",
    Reason.NOTHING_DECIDED: "the receipt decides nothing: it tells of a contact that was changed or shared",
    Reason.NOTHING_CHANGED: "the receipt only followed from another one, and changed nothing",
    Reason.NOBODY_KNOWN: "no e-mail and no phone of the person's own was given or is known",
    Reason.PERSON_GONE: "nothing is kept of the person any more",
    Reason.PERSON_ERASED: "the person was erased before it could be sent",
    Reason.RECEIPT_GONE: "the receipt is not in the table",
    Reason.CONTACTS_UNREADABLE: "the key is gone under which the contacts were encrypted",
    Reason.NOT_DUE_ANY_MORE: "the person answered since, or processing was restricted",
    Reason.NOTHING_ENDED: "it only took back what nobody had agreed to: the contact may be a stranger's",
    Reason.NOT_THEIR_OWN_CONTACT: "the contact was only typed; the person has proven another one",
    Reason.NO_CONTACT_THAT_CONFIRMS: "the contact given is not of the kind that confirms the question",
    Reason.TIME_OVER: "the time to confirm was over",
    Reason.ANSWERED_SINCE: "it was confirmed, refused or withdrawn before the message could go",
    Reason.CONFIRMED_ELSEWHERE: "the contact confirmed it already, as another person who has it too",
    Reason.LATER_FORM_ASKS: "a later form with the same contacts asks for the same, in one message",
    Reason.ANOTHER_ITEM: "the contact gets one message when a withdrawal for very many people is done",
    Reason.NO_TEXT_MESSAGES: "the phone takes no text messages, or is of a country the clinic does not name",
    Reason.TOO_MANY: "the contact had got as many messages as it may get, and this one is not worth waiting for",
    Reason.BOUNCE: "a mail to this contact bounced within the last thirty days",
    Reason.COMPLAINT: "its reader called a mail spam, and asked for none of this kind",
    Reason.NO_ADDRESS: "no link could lead anywhere: set PUBLIC_URL",
    Reason.TOO_MANY_PEOPLE: "more people share the contact than one request for a link reaches",
}
"""What each reason means, for an operator."""

NOT_RECORDED = "nothing was recorded: it is older than the records, or the person was erased before"


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    group = add_group(
        commands, "messages", "what went out and what not, what waits, what a day may bring"
    )
    _add_list(group)
    purpose = "list what is still to be sent, and from when on it is tried"
    add_clinic(add_command(group, "waiting", purpose, _waiting))
    add_clinic(add_command(group, "dead", "list what was given up", _dead))
    purpose = "send again what was given up; what was sent of it stays sent"
    add_clinic(add_command(group, "retry", purpose, _retry))
    _add_budgets(group)


def _add_list(group: Commands) -> None:
    purpose = "explain one receipt's messages: what went out, what not and why"
    command = add_command(group, "list", purpose, _list)
    add_clinic(command)
    where = "the receipt's number, as it stands on the receipt and in the clinic's list"
    command.add_argument("receipt", help=where)


def _add_budgets(group: Commands) -> None:
    purpose = "show how many messages went out on a day, of how many"
    command = add_command(group, "budgets", purpose, _budgets)
    command.add_argument("--day", help="a day of UTC, such as 2026-11-22; today if left out")


def retry(table: Table, clinic: str) -> int:
    """Put everything a clinic gave up back into the outbox, from where it is sent.

    Give how much that is.
    """
    given_up = outbox.dead_letters(table, clinic)
    for item in given_up:
        outbox.requeue(table, item)
    return len(given_up)


def spent(portal: Portal, day: str) -> Iterator[BudgetUse]:
    """Give what was used of every budget on a day: in all, of each country, of each clinic.

    Stops apart. The size of a budget is the one it had when the last message counted in it, else
    the one that is set here.
    """
    sizes: dict[str, int] = {}
    for clinic in sorted(portal.clinics.all()):
        countries = portal.directory.look_up(clinic).published.clinic.text_message_countries
        for budget in _budgets_of(portal, clinic, countries):
            sizes[budget.scope] = budget.limit
    for scope, most in sorted(sizes.items()):
        found = message_budgets.used(portal.table, scope, day)
        yield BudgetUse(scope, found.used, most if found.most is None else found.most)


def _budgets_of(portal: Portal, clinic: str, countries: Iterable[str]) -> Iterator[Budget]:
    for kind in REACHABLE_KINDS:
        for country in countries:
            for stop in (False, True):
                yield from portal.settings.budgets.budgets_for(kind, clinic, country, stop=stop)


def _table_of(clinic: str) -> Table:
    """Give the table; raise CommandError for a clinic that is not published."""
    table = get_portal().table
    require_clinic(table, clinic)
    return table


def _list(arguments: argparse.Namespace) -> None:
    _table_of(arguments.clinic)
    try:
        history = explain(get_portal(), arguments.clinic, arguments.receipt)
    except UnknownReceiptError:
        raise CommandError(f"The clinic has no receipt “{arguments.receipt}”.") from None
    print(f"Receipt {history.version} of person {history.subject}.")
    for record in history.records:
        print(*_columns(record), sep="\t")
    for item in history.waiting:
        print(*_waiting_columns(item), sep="\t")
    if history.nothing is not None:
        print("-", "-", "no_message", _explained(history.nothing), sep="\t")
    elif not history.records and not history.waiting:
        print("-", "-", "unknown", NOT_RECORDED, sep="\t")


def _columns(record: MessageRecord) -> list[str]:
    columns = [record.message or "-", CHANNELS[record.channel], record.outcome]
    if record.reason:
        columns.append(_explained(record.reason))
    if record.at:
        columns.append(record.at)
    if record.service_id:
        columns.append(f"id {record.service_id}")
    return columns


def _explained(reason: str) -> str:
    """Give a reason with what it means; a service's own word stands alone."""
    meaning = EXPLANATIONS.get(reason)
    return f"{reason}: {meaning}" if meaning else reason


def _waiting_columns(item: WaitingItem) -> list[str]:
    if item.given_up:
        return [item.kind, "-", "given up", f"{item.tries} tries", "send it again: messages retry"]
    due = f"not before {item.due}" if item.due else "due"
    return [item.kind, "-", "waits", due, f"{item.tries} tries"]


def _waiting(arguments: argparse.Namespace) -> None:
    found = list(outbox.items_of(_table_of(arguments.clinic), arguments.clinic))
    for item in found:
        entry = item.entry
        due = f"not before {entry.due}" if entry.due else "due"
        print(entry.kind, f"person {entry.subject}", due, f"{entry.tries} tries", sep="\t")
    print(f"{len(found)} to be sent." if found else "Nothing waits.")


def _budgets(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    day = arguments.day or day_of(portal.clock())
    for budget in spent(portal, day):
        print(budget.scope, f"{budget.used} of {budget.most}", sep="\t")


def _dead(arguments: argparse.Namespace) -> None:
    table = _table_of(arguments.clinic)
    found = outbox.dead_letters(table, arguments.clinic)
    for item in found:
        entry = item.entry
        about = f"receipt {entry.version}" if entry.version else "-"
        states = [f"{name}: {state}" for name, state in deliveries.states(table, item).items()]
        print(
            entry.kind, f"person {entry.subject}", about, f"{entry.tries} tries", *states, sep="\t"
        )
    print(f"{len(found)} given up." if found else "Nothing was given up.")


def _retry(arguments: argparse.Namespace) -> None:
    table = _table_of(arguments.clinic)
    print(f"{retry(table, arguments.clinic)} put back; they are sent within minutes.")
