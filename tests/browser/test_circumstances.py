"""The patient's visit without script, by an old browser, by keyboard, in haste, and on paper."""

import re
import threading
import urllib.error
import urllib.request
from collections import Counter
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from playwright.sync_api import Route

from chalicelib.domain.clinic import Clinic
from tests.browser.conftest import Handing
from tests.browser.phone import SCREENSHOTS, Phone
from tests.browser.visit import IDS, Visit, a_clinic, a_patient, every_other, follow_letters
from tests.browser.words import translated
from tests.cast import RIGA, TBILISI
from tests.conftest import LocalStack

pytestmark = pytest.mark.browser

KAUNAS = "kaunas-polyclinics"
ALIKE = 2
"""How many addresses of one kind are followed. The steps in five languages have so many links that
following all of them takes ten minutes."""

KINDS = 12
"""How many kinds of addresses a patient finds at the least."""


def _visit(phone: Phone, clinic: Clinic) -> Visit:
    phone.open(f"/{clinic.id}?view=all&lang={phone.lang}")
    return Visit(phone, clinic, a_patient(clinic, phone.lang))


def _fill(visit: Visit) -> dict[str, str]:
    """Answer everything, write a contact and the name, declare the age.

    Give the subject as the clinic knows it.
    """
    visit.answer(every_other(visit.clinic))
    visit.write([visit.contact, "name"])
    if visit.clinic.age_minimum:
        visit.tick("adult")
    return visit.subject


def _as_chosen(clinic: Clinic) -> dict[str, str]:
    return {
        address: {"yes": "granted", "no": "refused"}[answer]
        for address, answer in every_other(clinic).items()
    }


@pytest.mark.parametrize("clinic_id", IDS)
def test_the_whole_day_works_without_javascript(
    clinic_id: str, phone: Handing, local_stack: LocalStack
) -> None:
    """A patient who allows no scripts decides, confirms and withdraws like everybody else."""
    clinic = a_clinic(clinic_id)
    visit = _visit(phone(clinic.default_language, java_script_enabled=False), clinic)
    assert visit.required_fields() == set()
    visit.phone.send("Save my answers")
    assert visit.phone.page.locator("#errors").is_visible()
    subject = _fill(visit)
    visit.phone.send("Save my answers")
    assert follow_letters(visit, local_stack) == 1
    assert local_stack.states(clinic.id, subject) == _as_chosen(clinic)
    visit.phone.open(f"/{clinic.id}/withdraw?lang={visit.phone.lang}")
    visit.write([visit.contact])
    visit.phone.send("Stop everything")
    assert "granted" not in local_stack.states(clinic.id, subject).values()
    assert len(visit.phone.sent) == 4


@pytest.mark.parametrize("clinic_id", [TBILISI, KAUNAS])
def test_an_old_browser_shows_every_field(
    clinic_id: str, phone: Handing, local_stack: LocalStack
) -> None:
    """A phone whose browser does not know `:has()` asks for more than it must, and still works."""
    clinic = a_clinic(clinic_id)
    old = phone(clinic.default_language, java_script_enabled=False)

    def without_has(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        # The policy names the styles by their hash, which this changes.
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name != "content-security-policy"
        }
        page, changed = re.subn(
            r"@supports selector\(:has\(\*\)\)\{.*?\n\}\n", "", answer.text(), flags=re.DOTALL
        )
        assert changed == (answer.status != 303)
        assert ":has" not in page.replace(".yn label:has(:checked)", "")
        route.fulfill(response=answer, headers=headers, body=page)

    old.context.route("**/*", without_has)
    visit = _visit(old, clinic)
    assert visit.required_fields() == {"name", "email", "phone"}
    assert old.page.locator("#adult").count() == (1 if clinic.age_minimum else 0)
    subject = _fill(visit)
    visit.phone.send("Save my answers")
    assert follow_letters(visit, local_stack) == 1
    assert local_stack.states(clinic.id, subject) == _as_chosen(clinic)


def test_a_patient_who_says_no_to_everything_need_not_say_who_they_are(
    phone: Handing, local_stack: LocalStack
) -> None:
    """A No costs no data: nothing is asked for, and there is a receipt all the same."""
    visit = _visit(phone("lv"), a_clinic(RIGA))
    visit.answer(dict.fromkeys(visit.clinic.questions, "no"))
    visit.phone.send("Save my answers")
    number = visit.phone.page.locator("span.mono").first.inner_text()
    assert f'"id":"{number}"' in local_stack.call(RIGA, f"receipts/{number}").decode()


def test_changing_the_language_after_the_scan_keeps_where_the_patient_came_from(
    phone: Handing, local_stack: LocalStack
) -> None:
    """Who scans a Latvian poster and reads in Russian gets a Russian receipt naming the poster."""
    scanning = phone("lv")
    scanning.scan(f"/{RIGA}/qr/signup.png?lang=lv&src=poster-2")
    scanning.page.locator("nav summary").click()
    scanning.page.locator("nav a[lang=ru]").click()
    scanning.page.wait_for_url("**lang=ru**")
    scanning.lang = "ru"
    visit = Visit(scanning, a_clinic(RIGA), a_patient(a_clinic(RIGA), "ru"))
    visit.give("newsletter.email")
    (receipt,) = local_stack.history(RIGA, visit.subject)
    assert (receipt["notice"]["lang"], receipt["channel"], receipt["source"]) == (
        "ru",
        "qr",
        "poster-2",
    )


def test_a_double_click_is_one_receipt(phone: Handing, local_stack: LocalStack) -> None:
    """An impatient patient has decided once."""
    visit = _visit(phone("lt"), a_clinic(KAUNAS))
    subject = _fill(visit)
    with visit.phone.page.expect_navigation(url="**/receipts/**"):
        visit.phone.page.locator("button[type=submit]").dblclick()
    assert len(local_stack.history(KAUNAS, subject)) == 1


def test_the_same_form_sent_four_times_at_once_is_one_receipt(
    phone: Handing, local_stack: LocalStack
) -> None:
    """Whatever is sent twice, the patient has decided once and each answer names that receipt."""
    visit = _visit(phone("ka"), a_clinic(TBILISI))
    visit.answer({"newsletter.sms": "yes"})
    visit.write(["phone"])
    form: str = visit.phone.page.evaluate(
        "new URLSearchParams(new FormData(document.forms[0])).toString()"
    )
    seen: list[str] = []

    def post() -> None:
        request = urllib.request.Request(visit.phone.page.url, data=form.encode())
        with urllib.request.urlopen(request) as answer:
            seen.append(answer.url)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    assert len({urlsplit(address).path for address in seen}) == 1
    assert len(local_stack.history(TBILISI, visit.patient.known_by("phone"))) == 1


def test_going_back_and_changing_ones_mind_is_a_second_receipt(
    phone: Handing, local_stack: LocalStack
) -> None:
    """Back leads to the questions again.

    What is said there later counts, and both receipts stand.
    """
    visit = _visit(phone("lv"), a_clinic(RIGA))
    subject = _fill(visit)
    visit.phone.send("Save my answers")
    visit.phone.page.go_back()
    assert visit.phone.page.locator("h1").inner_text() == translated(
        "lv", "You decide what we may do with your data"
    )
    visit.answer(dict.fromkeys(visit.clinic.questions, "no"))
    visit.write(["email"])
    visit.phone.send("Save my answers")
    assert not set(local_stack.states(RIGA, subject).values()) & {"granted", "pending"}
    assert [receipt["version"] for receipt in local_stack.history(RIGA, subject)] == [1, 2]


def test_going_back_and_sending_again_changes_nothing(
    phone: Handing, local_stack: LocalStack
) -> None:
    """Sending the same answers once more neither withdraws a Yes nor gives one anew."""
    visit = _visit(phone("en"), a_clinic(RIGA))
    subject = _fill(visit)
    visit.phone.send("Save my answers")
    computer = phone("en", is_mobile=False, has_touch=False)
    computer.open(visit.phone.page.url)
    assert follow_letters(Visit(computer, visit.clinic, visit.patient), local_stack) == 1
    visit.phone.page.go_back()
    _fill(visit)
    visit.phone.send("Save my answers")
    assert local_stack.states(RIGA, subject) == _as_chosen(visit.clinic)


def test_reloading_the_receipt_sends_nothing(phone: Handing) -> None:
    """The receipt has an address of its own: it can be opened again without deciding again."""
    visit = _visit(phone("lv"), a_clinic(RIGA))
    _fill(visit)
    visit.phone.send("Save my answers")
    visit.phone.page.reload()
    assert "/receipts/" in visit.phone.page.url
    assert len(visit.phone.sent) == 1


@pytest.mark.parametrize("state", ["", "WyJ4Il0.aSBhbQ.bm90IHNpZ25lZA"])
def test_a_page_whose_state_is_worthless_keeps_what_was_typed(
    state: str, phone: Handing, local_stack: LocalStack
) -> None:
    """A page left open too long costs a patient one more tap, never what they wrote.

    Nothing is stored unawares.
    """
    visit = _visit(phone("lt"), a_clinic(KAUNAS))
    subject = _fill(visit)
    visit.phone.page.locator("input[name=state]").evaluate(f"each => each.value = '{state}'")
    visit.phone.send("Save my answers")
    assert visit.phone.page.title().startswith(translated("lt", "Error:"))
    assert visit.chosen() == every_other(visit.clinic)
    for name in ("name", "email"):
        assert visit.phone.page.locator(f"#{name}").input_value() == visit.patient.typed(name)
    assert visit.phone.page.locator("#adult").is_checked()
    visit.phone.check("kaunas-polyclinics-lt-9-page-too-old")
    assert set(local_stack.states(KAUNAS, subject).values()) == {"never_asked"}
    visit.phone.send("Save my answers")
    assert follow_letters(visit, local_stack) == 1
    assert local_stack.states(KAUNAS, subject) == _as_chosen(visit.clinic)


def test_a_half_filled_page_stores_nothing(phone: Handing, local_stack: LocalStack) -> None:
    """The page says which of two contacts is wrong, keeps both, and stores neither."""
    visit = _visit(phone("ru"), a_clinic(RIGA))
    visit.answer({"newsletter.email": "yes", "newsletter.sms": "yes"})
    visit.write(["email"])
    visit.phone.page.locator("#phone").fill("12")
    visit.phone.send("Save my answers")
    assert visit.phone.page.locator("#phone-wrong").is_visible()
    assert visit.phone.page.locator("#phone").input_value() == "12"
    assert visit.phone.page.locator("#email").input_value() == visit.patient.email
    assert set(local_stack.states(RIGA, visit.patient.known_by("email")).values()) == {
        "never_asked"
    }


def _kind(address: str) -> str:
    """Give what addresses of one kind have in common: the path, and the names in the query.

    Of values only the format of a receipt counts: each is made by other code.
    """
    parts = urlsplit(address)
    asked = parse_qs(parts.query)
    return f"{parts.path} {sorted(asked)} {asked.get('format')}"


@pytest.mark.parametrize("clinic_id", IDS)
def test_following_every_link_changes_nothing(
    clinic_id: str, phone: Handing, local_stack: LocalStack
) -> None:
    """A mail scanner may open every link: a GET changes nothing and uses up no link."""
    clinic = a_clinic(clinic_id)
    visit = _visit(phone(clinic.default_language), clinic)
    subject = _fill(visit)
    visit.phone.send("Save my answers")
    before = local_stack.status(clinic.id, subject)
    seen, kinds = set[str](), Counter[str]()
    waiting = [visit.phone.page.url, f"{local_stack.base_url}/{clinic.id}?src=x"]
    while waiting:
        address = waiting.pop()
        kind = _kind(address)
        if address in seen or kinds[kind] == ALIKE:
            continue
        seen.add(address)
        kinds[kind] += 1
        answer = visit.phone.context.request.get(address)
        assert answer.ok, f"{address}: {answer.status}"
        links = [
            urljoin(address, link.replace("&amp;", "&"))
            for link in re.findall(r'<a [^>]*href="([^"]+)"', answer.text())
        ]
        waiting += [
            link.partition("#")[0] for link in links if link.startswith(local_stack.base_url)
        ]
        assert not [
            link for link in links if urlsplit(link).scheme not in {"http", "mailto", "tel"}
        ]
    assert len(kinds) > KINDS
    assert any("/shown/" in address for address in seen)
    assert local_stack.status(clinic.id, subject) == before
    assert len(local_stack.history(clinic.id, subject)) == 1


@pytest.mark.parametrize("clinic_id", IDS)
def test_the_printed_notice_is_all_there(clinic_id: str, phone: Handing) -> None:
    """The clinic prints the notice for its premises: dark on white, nothing cut off."""
    clinic = a_clinic(clinic_id)
    reader = phone(clinic.default_language, is_mobile=False, viewport={"width": 680, "height": 960})
    reader.open(f"/{clinic.id}/notices/{clinic.version}")
    reader.page.emulate_media(media="print")
    for hidden in ("nav", ".skip", ".noprint"):
        assert not reader.page.locator(hidden).first.is_visible()
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 680
    assert reader.page.evaluate(
        "[...document.querySelectorAll('main *:not(.noprint, .noprint *)')].every(each => each.checkVisibility())"
    )
    pale = """[...document.querySelectorAll('h1, h2, h3, p, li, dt, dd, .brand')].filter(each =>
        getComputedStyle(each).color.match(/\\d+/g).slice(0, 3).every(part => part > 140)).length"""
    assert reader.page.evaluate(pale) == 0
    assert clinic.name[reader.lang] in reader.page.locator("header").inner_text()
    reader.page.pdf(path=SCREENSHOTS / f"{clinic.id}-{reader.lang}-notice.pdf", format="A4")
