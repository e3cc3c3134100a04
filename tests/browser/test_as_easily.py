"""Taking a Yes back costs no more than giving it, on the ways that begin with a message (GDPR Art.
7(3)).

The other ways are counted where they are walked: the codes at the desk, the tablet, the own page, a
parent's.
"""

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import short_code
from tests.browser.conftest import Handing, note_effort
from tests.browser.visit import IDS, Effort, Visit, a_clinic, a_patient, mail_links, receipt_shown
from tests.conftest import LocalStack
from tests.package.test_messages import arrived

pytestmark = pytest.mark.browser

SMS, MAIL = "newsletter.sms", "newsletter.email"


@pytest.mark.parametrize("clinic_id", IDS)
def test_a_yes_confirmed_by_a_text_message_is_taken_back_with_less(
    clinic_id: str, phone: Handing, local_stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    """Who has a phone and nothing else types six digits to agree, and the number alone to stop."""
    clinic = a_clinic(clinic_id)
    visit = Visit(
        phone(clinic.default_language), clinic, a_patient(clinic, clinic.default_language)
    )
    subject = visit.patient.known_by("phone")
    visit.phone.open(f"/{clinic_id}?lang={visit.phone.lang}")
    giving, number = visit.give(SMS), receipt_shown(visit.phone)
    assert local_stack.states(clinic_id, subject)[SMS] == "pending"
    arrived(local_stack, visit.patient.phone)
    secret = local_stack.in_process.clinics.key(clinic_id).link_secret()
    visit.fill("code", short_code(secret, number, Contact(ContactKind.PHONE, visit.patient.phone)))
    visit.send("Confirm")
    assert local_stack.states(clinic_id, subject)[SMS] == "granted"

    visit.effort = Effort()
    visit.phone.open(f"/{clinic_id}/withdraw?lang={visit.phone.lang}")
    withdrawing = visit.stop_everything("phone")
    assert local_stack.states(clinic_id, subject)[SMS] == "withdrawn"
    note_effort(request, f"{clinic_id} text message", giving, withdrawing)


@pytest.mark.parametrize("clinic_id", IDS)
def test_a_yes_by_a_mails_link_is_taken_back_from_the_page_it_leads_to(
    clinic_id: str, phone: Handing, local_stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    """The page itself leads to where everything stops, and there nothing is typed either."""
    clinic = a_clinic(clinic_id)
    visit = Visit(
        phone(clinic.default_language), clinic, a_patient(clinic, clinic.default_language)
    )
    subject = visit.patient.known_by("email")
    link = mail_links(local_stack, clinic, subject, visit.phone.lang)["url"]
    visit.phone.open(link)
    giving = visit.give(MAIL)
    assert local_stack.states(clinic_id, subject)[MAIL] == "granted"
    visit.effort = Effort()
    visit.phone.open(link)
    visit.follow("Withdraw")
    visit.phone.check(f"{clinic_id}-stop-by-link")
    withdrawing = visit.stop_everything("email")
    assert local_stack.states(clinic_id, subject)[MAIL] == "withdrawn"
    note_effort(request, f"{clinic_id} mail: the page again", giving, withdrawing)


@pytest.mark.parametrize("clinic_id", IDS)
def test_a_yes_is_taken_back_from_its_receipt_with_nothing_to_type(
    clinic_id: str, phone: Handing, local_stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    """Whoever has just agreed, or kept the page's address, stops with two taps."""
    clinic = a_clinic(clinic_id)
    visit = Visit(phone(clinic.languages[-1]), clinic, a_patient(clinic, clinic.languages[-1]))
    visit.phone.open(f"/{clinic_id}?lang={visit.phone.lang}")
    giving = visit.give(
        next(each for each, question in clinic.questions.items() if "contact" in question.needs)
    )
    visit.effort = Effort()
    visit.follow("Withdraw")
    visit.phone.check(f"{clinic_id}-stop-by-receipt")
    withdrawing = visit.stop_everything(visit.contact)
    assert "granted" not in local_stack.states(clinic_id, visit.subject).values()
    note_effort(request, f"{clinic_id} from the receipt", giving, withdrawing)
    assert withdrawing == Effort(taps=2)
