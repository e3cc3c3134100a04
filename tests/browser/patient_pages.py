"""One patient's walk through every page, from the first one to the last."""

from collections.abc import Iterator

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import LinkScope
from tests.browser.visit import Visit, every_other, receipt_shown
from tests.conftest import LocalStack
from tests.web.letterbox import a_token, letters

SMS = "newsletter.sms"


def patient_pages(visit: Visit, stack: LocalStack) -> Iterator[str]:
    """Open one page after the other, and give the name of each while it is on the screen."""
    yield from _ways_in(visit)
    yield from _decision(visit)
    number = receipt_shown(visit.phone)
    yield from _confirmation(visit, stack, number)
    yield from _own_pages(visit, stack, number)
    yield from _decision_by_phone(visit)
    yield from _withdrawal(visit, stack)
    yield from _kiosk(visit)


def _ways_in(visit: Visit) -> Iterator[str]:
    phone, clinic, lang = visit.phone, visit.clinic, visit.phone.lang
    phone.open(f"/?lang={lang}")
    yield "home"
    phone.open(f"/{clinic.id}/nothing-here?lang={lang}", 404)
    yield "not-found"
    phone.open(f"/{clinic.id}/notices/{clinic.version}?lang={lang}")
    yield "notice"
    phone.open(f"/verify?lang={lang}")
    yield "verify"
    phone.open(f"/{clinic.id}/link?lang={lang}")
    yield "link"
    visit.write([visit.contact])
    _press_first(visit)
    yield "link-sent"
    phone.open(f"/{clinic.id}?lang={lang}&view=all")
    yield "all-questions"


def _decision(visit: Visit) -> Iterator[str]:
    """Answer topic by topic, go wrong once, and save."""
    page, answers = visit.phone.page, every_other(visit.clinic)
    visit.phone.open(f"/{visit.clinic.id}?lang={visit.phone.lang}")
    yield "start"
    visit.go_on()
    number = 0
    while page.locator(".yn").count():
        number += 1
        yield f"topic-{number}"
        shown = [each for each in answers if visit.answer_label(each, "yes").count()]
        visit.answer({each: answers[each] for each in shown})
        visit.go_on()
    if page.locator('button[name="go"][value="child"]').count():
        with page.expect_navigation():
            page.locator('button[name="go"][value="child"]').click()
        yield "child"
        with page.expect_navigation():
            page.locator('button[name="go"][value="self"]').click()
    yield "contact"
    visit.go_on()
    yield "contact-errors"
    visit.say_who()
    yield "check"
    visit.send("Save my answers")
    yield "receipt-waiting"


def _confirmation(visit: Visit, stack: LocalStack, number: str) -> Iterator[str]:
    """Follow the link of the message that came, and confirm."""
    for token, _ in letters(stack, visit.clinic.id, number):
        visit.phone.open(f"/confirm/{token}?lang={visit.phone.lang}")
        yield "confirm"
        visit.confirm()
        yield "receipt"


def _own_pages(visit: Visit, stack: LocalStack, number: str) -> Iterator[str]:
    contact = _contact(visit)
    token = a_token(
        stack, visit.clinic.id, contact, LinkScope.MANAGE, number, lang=visit.phone.lang
    )
    visit.phone.open(f"/manage/{token}?lang={visit.phone.lang}")
    yield "own-page"
    secret = a_token(
        stack, visit.clinic.id, contact, LinkScope.ERASE, number, lang=visit.phone.lang
    )
    visit.phone.open(f"/manage/{secret}/erase?lang={visit.phone.lang}")
    yield "erase"
    question = next(iter(visit.clinic.questions))
    token = a_token(
        stack,
        visit.clinic.id,
        contact,
        LinkScope.UNSUBSCRIBE,
        number,
        (question,),
        lang=visit.phone.lang,
    )
    visit.phone.open(f"/unsubscribe/{token}?lang={visit.phone.lang}")
    yield "unsubscribe"


def _decision_by_phone(visit: Visit) -> Iterator[str]:
    """Decide with a phone alone: what waits is confirmed by a code."""
    visit.phone.open(f"/{visit.clinic.id}?lang={visit.phone.lang}")
    visit.walk_topics({SMS: "yes"})
    visit.say_who()
    visit.send("Save my answers")
    yield "receipt-by-phone"
    number = receipt_shown(visit.phone)
    visit.phone.open(f"/{visit.clinic.id}/receipts/{number}/code?lang={visit.phone.lang}")
    yield "code"


def _withdrawal(visit: Visit, stack: LocalStack) -> Iterator[str]:
    visit.phone.open(f"/{visit.clinic.id}/withdraw?lang={visit.phone.lang}")
    yield "withdraw"
    visit.send("Stop everything")
    yield "withdraw-errors"
    visit.stop_everything(visit.contact)
    yield "withdrawn"
    stopped = stack.history(visit.clinic.id, visit.subject)[-1]["id"]
    token = a_token(
        stack, visit.clinic.id, _contact(visit), LinkScope.UNDO, stopped, lang=visit.phone.lang
    )
    visit.phone.open(f"/undo/{token}?lang={visit.phone.lang}")
    yield "undo"


def _kiosk(visit: Visit) -> Iterator[str]:
    phone, clinic = visit.phone, visit.clinic
    phone.open(f"/{clinic.id}/kiosk")
    yield "kiosk-languages"
    phone.page.locator(f'.way a[href*="lang={phone.lang}"]').first.click()
    phone.page.wait_for_selector(f"html[lang={phone.lang}] form")
    yield "kiosk-start"
    phone.open(f"/{clinic.id}/kiosk/withdraw?lang={phone.lang}")
    yield "kiosk-withdraw"


def _contact(visit: Visit) -> Contact:
    kind = ContactKind(visit.contact)
    return Contact(kind, visit.subject[kind.value])


def _press_first(visit: Visit) -> None:
    with visit.phone.page.expect_navigation():
        visit.phone.page.locator("main form button").first.click()
