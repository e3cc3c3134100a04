"""A clinic moves in with the consents and refusals that its mailing tool recorded."""

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.links import LinkScope
from tests.web.client import Answer, Client, Program
from tests.web.disclosed import evidence_of
from tests.web.letterbox import a_token, carried, token_in, unasked
from tests.web.page_reader import Page
from tests.web.running import TABLE, RunningPortal

NEWS, TEXTS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
OLD_TEXT = hashlib.sha256(b"Sign up for our news. You can stop at any time.").hexdigest()
VOUCHED = {"same_as": "1.0", "text_sha256": OLD_TEXT}

MAILCHIMP = (
    "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,"
    "LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS"
)
MAILCHIMP_GONE = (
    "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,"
    "GMTOFF,DSTOFF,TIMEZONE,CC,REGION,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,"
    "UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS"
)


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


def bring_in(program: Program, file: str | bytes, accept: str = "", **said: str) -> Answer:
    """Send a file, and what is said of it."""
    content = file if isinstance(file, bytes) else file.encode()
    query = urlencode({"from": "mailchimp", "purpose": NEWS, **VOUCHED, **said})
    headers = {"Content-Type": "text/csv"} | ({"Accept": accept} if accept else {})
    return program.call(f"imports?{query}", content, headers)


def opted_in(email: str, at: str = "2024-03-01 10:15:00", confirmed: str = "") -> str:
    """Write a line of a Mailchimp audience; with double opt-in where it was `confirmed`."""
    ip = "198.51.100.7" if confirmed else ""
    return f'{email},Anna,,2,"{at}",{ip},"{confirmed}",{ip},,,,,,,,"2024-03-02 00:00:00",1,a,,'


def state(program: Program, email: str, question: str = NEWS) -> dict[str, Any]:
    """Tell how somebody stands."""
    asked = {"subjects": [{"email": email}], "purposes": [question]}
    told: dict[str, Any] = program.call("status", asked).json()["results"][0]["decisions"][question]
    return told


def test_a_double_opt_in_counts_from_its_own_day(portal: RunningPortal, program: Program) -> None:
    """Marketing goes on with the list that it had, and can prove each address."""
    carried(portal)
    line = opted_in("anna.ozola@example.org", confirmed="2024-03-01 10:20:00")
    answer = bring_in(program, f"{MAILCHIMP}\n{line}\n", list="News")
    assert (answer.status, answer.json()["lines"]) == (
        200,
        [{"line": 2, "outcome": "recorded", "states": {NEWS: "granted"}}],
    ), answer.text
    told = state(program, "anna.ozola@example.org")
    assert (told["permitted"], told["since"], told["channel"], told["assurance"]) == (
        True,
        "2024-03-01T10:20:00.000Z",
        "import",
        "imported",
    )
    [receipt] = program.history(email="anna.ozola@example.org")
    assert receipt["notice"] == {"version": None, "lang": "lv", "sha256": None}
    assert receipt["recorded_at"] > receipt["effective_at"]
    evidence = evidence_of(portal, program, receipt["id"])
    assert (evidence["system"], evidence["same_as"]) == ("Mailchimp", "1.0")
    row = hashlib.sha256(line.encode()).hexdigest()
    assert evidence["form"] == (
        "list: News; opted in: 2024-03-01T10:15:00.000Z; confirmed: 2024-03-01T10:20:00.000Z; "
        f"line sha256: {row}"
    )
    assert "News" not in str(receipt), "the words are sealed"
    assert carried(portal) == [], "nobody is written to"


def test_a_bare_line_waits_and_one_that_unsubscribed_is_withdrawn(program: Program) -> None:
    """What nobody can prove is not mailed; who had stopped stays stopped."""
    bare = opted_in("bare@example.org")
    added_by_owner = opted_in("added@example.org", at="", confirmed="2024-03-01 10:20:00")
    answer = bring_in(program, f"{MAILCHIMP}\n{bare}\n{added_by_owner}\n")
    assert answer.json()["states"] == {NEWS: {"pending": 2}}, (
        "an address that the owner added has a CONFIRM_TIME too"
    )
    gone = 'gone@example.org,G,,2,"2023-01-05 08:00:00",,"2023-01-05 08:00:00",,,,,,,'
    gone += '"2024-02-01 12:30:00","News, February",7,"not interested",,1,a,,'
    answer = bring_in(program, f"{MAILCHIMP_GONE}\n{gone}\n")
    assert answer.json()["states"] == {NEWS: {"withdrawn": 1}}
    told = state(program, "gone@example.org")
    assert (told["state"], told["since"]) == ("withdrawn", "2024-02-01T12:30:00.000Z")


def test_an_address_that_bounced_is_no_decision(program: Program) -> None:
    """Nobody is recorded as having refused whose mailbox was full."""
    header = MAILCHIMP_GONE.replace("UNSUB_TIME", "CLEAN_TIME")
    line = 'full@example.org,F,,2,"2023-01-05 08:00:00",,,,,,,,,"2024-02-01 12:30:00",,,,,1,a,,'
    answer = bring_in(program, f"{header}\n{line}\n")
    [told] = answer.json()["lines"]
    assert (told["outcome"], told["reason"]) == ("skipped", "bounced")
    assert program.history(email="full@example.org") == []


def test_without_the_clinics_word_a_yes_permits_nothing_and_a_stop_counts(
    program: Program,
) -> None:
    """The portal cannot show what somebody read at another system (GDPR Art. 7(1))."""
    line = opted_in("anna.ozola@example.org", confirmed="2024-03-01 10:20:00")
    query = urlencode({"from": "mailchimp", "purpose": NEWS})
    answer = program.call(
        f"imports?{query}", f"{MAILCHIMP}\n{line}\n".encode(), {"Content-Type": "text/csv"}
    )
    assert answer.json()["states"] == {NEWS: {"superseded": 1}}
    again = bring_in(program, f"{MAILCHIMP}\n{line}\n")
    assert again.json()["states"] == {NEWS: {"granted": 1}}, "the clinic can vouch for it later"


def test_the_same_file_twice_records_nothing_new(program: Program) -> None:
    """A file sent again after a broken connection does no harm; nor does a newer export."""
    file = "\n".join([MAILCHIMP, *(opted_in(f"p{n}@example.org") for n in range(3)), ""])
    assert bring_in(program, file).json()["outcomes"]["recorded"] == 3
    again = bring_in(program, file).json()
    assert again["outcomes"] == {
        "recorded": 0,
        "already": 3,
        "duplicate": 0,
        "skipped": 0,
        "rejected": 0,
    }
    newer = file + opted_in("p9@example.org") + "\n"
    assert bring_in(program, newer).json()["outcomes"]["recorded"] == 1
    assert len(program.history(email="p1@example.org")) == 1


def test_a_dry_run_tells_the_same_and_writes_nothing_but_its_audit_line(
    portal: RunningPortal, program: Program
) -> None:
    """Whoever moves in sees beforehand what each line becomes."""
    program.call(
        "receipts",
        {
            "subject": {"email": "no@example.org"},
            "decisions": {NEWS: "no"},
            "channel": "phone",
            "effective_at": "2026-11-10T10:00:00+02:00",
        },
    )
    file = "\n".join(
        [
            MAILCHIMP,
            opted_in("new@example.org", confirmed="2024-03-01 10:20:00"),
            opted_in("no@example.org", confirmed="2024-03-01 10:20:00"),
            opted_in("not an address"),
            "",
        ]
    )
    before = _stored(portal)
    dry = bring_in(program, file, dry_run="1").json()
    after = _stored(portal)
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert len(changed) == 1
    assert "#AUDIT#" in changed.pop()[0]
    real = bring_in(program, file).json()
    assert dry.pop("dry_run")
    assert not real.pop("dry_run")
    assert dry == real
    assert [each.get("states") for each in dry["lines"]] == [
        {NEWS: "granted"},
        {NEWS: "later_answer_stands"},
        None,
    ]
    assert state(program, "no@example.org")["state"] == "withdrawn"


def _stored(portal: RunningPortal) -> dict[tuple[str, str], str]:
    """Read the whole table."""
    found = {}
    pages = portal.table.client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            found[item["pk"]["S"], item["sk"]["S"]] = repr(sorted(item.items()))
    return found


def test_within_a_file_who_unsubscribed_wins_and_of_two_alike_the_newer(program: Program) -> None:
    """A list that was put together from several loses no unsubscription."""
    file = (
        "email,date,consent\n"
        "a@example.org,2024-01-01,yes\n"
        "A@example.org ,2022-01-01,no\n"
        "b@example.org,2024-01-01,yes\n"
        "b@example.org,2024-05-01,yes\n"
    )
    told = bring_in(program, file, **{"from": "sheet", "system": "Reception list"}).json()
    assert [(each["outcome"], each.get("reason")) for each in told["lines"]] == [
        ("duplicate", "other_line"),
        ("recorded", None),
        ("duplicate", "other_line"),
        ("recorded", None),
    ]
    assert "Line 3 says it" in told["lines"][0]["detail"]
    assert state(program, "a@example.org")["state"] == "refused"
    assert state(program, "b@example.org")["since"] == "2024-04-30T21:00:00.000Z", (
        "that day in Riga"
    )


def test_an_import_never_overrules_what_was_said_here_since(program: Program) -> None:
    """A Yes given at the desk outlives an unsubscription of years ago, and the other way round."""
    for email, said in (("yes@example.org", "yes"), ("no@example.org", "no")):
        body = {
            "subject": {"email": email},
            "decisions": {NEWS: said},
            "channel": "paper",
            "effective_at": "2026-11-10",
            "evidence": {"form": "F-1"},
        }
        assert program.call("receipts", body).status == 201
    file = (
        "email,date,consent,evidence\n"
        "yes@example.org,2025-01-01,unsubscribed,\n"
        "no@example.org,2025-01-01,yes,Form 17\n"
    )
    told = bring_in(program, file, **{"from": "sheet", "system": "Old list"}).json()
    assert [each["states"] for each in told["lines"]] == [{NEWS: "later_answer_stands"}] * 2
    assert state(program, "yes@example.org")["permitted"]
    assert not state(program, "no@example.org")["permitted"]
    assert len(program.history(email="no@example.org")) == 2, "the older answer is in the history"


def test_brevos_export_keeps_email_and_sms_apart(program: Program) -> None:
    """Who is struck off for text messages goes on getting mail, each with its own day."""
    file = (
        "CONTACT ID;EMAIL;FIRSTNAME;SMS;DOUBLE_OPT-IN;EMAIL_BLACKLISTED;SMS_BLACKLISTED;"
        "ADDED_TIME;MODIFIED_TIME\r\n"
        "1;anna@example.org;Anna;37126123456;1;No;Yes;01-03-2024;31-12-2024\r\n"
        "2;janis@example.org;Jānis;;;Yes;No;01-03-2024 10:15;05-02-2025 08:00\r\n"
    )
    told = bring_in(program, file, **{"from": "brevo", "purpose": f"{NEWS},{TEXTS}"}).json()
    assert told["lines"][0]["states"] == {NEWS: "granted", TEXTS: "withdrawn"}
    assert told["lines"][1]["outcome"] == "rejected", "a Yes by SMS needs a phone"
    only_mail = bring_in(program, file, **{"from": "brevo"}).json()
    assert [each["outcome"] for each in only_mail["lines"]] == ["already", "recorded"]
    assert state(program, "janis@example.org")["since"] == "2025-02-05T06:00:00.000Z"


def test_listmonks_subscribers_with_their_subscriptions(program: Program) -> None:
    """A confirmed subscription counts; one that was never confirmed is no consent."""
    file = (
        "uuid,email,name,attributes,status,created_at,updated_at,subscription_status,optin,"
        "subscription_created_at,subscription_updated_at\n"
    )
    times = "2023-05-01 09:00:00.123456 +0000 UTC,2023-06-01 09:00:00 +0000 +0000"
    for name, status, subscription, optin in (
        ("confirmed", "enabled", "confirmed", "double"),
        ("single", "enabled", "unconfirmed", "single"),
        ("never", "enabled", "unconfirmed", "double"),
        ("left", "enabled", "unsubscribed", "double"),
        ("blocked", "blocklisted", "confirmed", "double"),
        ("off", "disabled", "confirmed", "double"),
    ):
        file += f'u,{name}@example.org,N,"{{}}",{status},{times},{subscription},{optin},{times}\n'
    told = bring_in(program, file, **{"from": "listmonk"}).json()
    assert [each.get("states", {}).get(NEWS) or each["reason"] for each in told["lines"]] == [
        "granted",
        "pending",
        "not_confirmed",
        "withdrawn",
        "withdrawn",
        "switched_off",
    ]
    assert state(program, "confirmed@example.org")["since"] == "2023-05-01T09:00:00.123Z"
    assert state(program, "left@example.org")["since"] == "2023-06-01T09:00:00.000Z"


def test_a_sheet_names_its_decisions_in_columns_in_any_language(program: Program) -> None:
    """What reception wrote into Excel is read as it is, with its marks and delimiters."""
    file = (
        "E-pasts;Datums;date;newsletter.email;testimonials.text;evidence\r\n"
        "anna@example.org;;31.03.2024;jā;nē;Veidlapa 17\r\n"
        "janis@example.org;;31/03/2024;jā;;\r\n"
        "ilze@example.org;;;jā;;\r\n"
        "uldis@example.org;;01.02.2024;varbūt;;\r\n"
        "gita@example.org;;01.02.2999;jā;;\r\n"
    ).encode("utf-8-sig")
    said = {"from": "sheet", "system": "Excel", "purpose": ""}
    told = bring_in(program, file, **said).json()
    assert told["lines"][0]["states"] == {NEWS: "granted", REVIEW: "refused"}
    assert [each.get("reason") for each in told["lines"][1:]] == [
        "date_unclear",
        "date_missing",
        "answer_unclear",
        "date_in_future",
    ]
    dated = bring_in(program, file, undated="2024-05-01", **said).json()
    assert dated["lines"][2]["outcome"] == "recorded"
    csv = bring_in(program, file, accept="text/csv", dry_run="1", **said)
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.text.splitlines()[:3] == [
        "line,outcome,reason,detail,states",
        "2,already,,,",
        (
            '3,rejected,date_unclear,"The date cannot be read for certain: write 2024-03-31, or'
            ' 31.03.2024.",'
        ),
    ]
    assert "example.org" not in csv.text + str(dated), "no contact in a report"


def test_what_is_wrong_with_a_call_is_told_by_parameter_and_nothing_is_stored(
    program: Program,
) -> None:
    """A program's author sees all faults at once."""
    line = opted_in("anna.ozola@example.org")
    file = f"{MAILCHIMP}\n{line}\n"
    wrong = {
        "from": "hubspot",
        "purpose": "newsletter.fax",
        "tz": "Mars/Olympus",
        "undated": "2024-02-31",
        "text_sha256": "",
        "dry_run": "yes",
        "hello": "x",
    }
    answer = bring_in(program, file, **wrong)
    assert answer.status == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers >= {
        "/from",
        "/purpose",
        "/tz",
        "/undated",
        "/text_sha256",
        "/dry_run",
        "/hello",
    }
    assert bring_in(program, file, same_as="7.0").json()["errors"][0]["pointer"] == "/same_as"
    assert bring_in(program, file, purpose=TEXTS).status == 422, "these exports prove e-mails alone"
    assert bring_in(program, "\n").status == 422
    assert bring_in(program, f"{MAILCHIMP}\n").status == 422
    assert bring_in(program, "Name,Date\nAnna,x\n").json()["errors"][0]["pointer"] == "/column"
    typo = "email,date,newsletter.emial\na@example.org,2024-01-01,no\n"
    answer = bring_in(program, typo, **{"from": "sheet", "system": "x"})
    assert answer.json()["errors"][0]["pointer"] == "/columns", "no column is passed over"
    many = "\n".join([MAILCHIMP, *(opted_in(f"p{n}@example.org") for n in range(2001)), ""])
    assert "2000" in bring_in(program, many).text
    assert program.history(email="anna.ozola@example.org") == []
    as_json = program.call("imports?from=sheet", {"email": "x"})
    assert (as_json.status, as_json.json()["detail"]) == (
        415,
        "Send a list in CSV: Content-Type: text/csv.",
    )


def test_broken_lines_are_told_by_number_and_the_others_are_imported(program: Program) -> None:
    """One line with a cell too many does not hold up two thousand."""
    good = opted_in("anna.ozola@example.org")
    told = bring_in(program, f"{MAILCHIMP}\n{good}\na,b\n").json()
    assert [each["outcome"] for each in told["lines"]] == ["recorded", "rejected"]
    assert told["lines"][1]["detail"].startswith("The line cannot be read: has 2 cells where")


@pytest.mark.parametrize(
    ("rule", "bare", "proven"),
    [
        ("counts", "granted", "granted"),
        ("proven", "pending", "granted"),
        ("waits", "pending", "pending"),
    ],
)
def test_the_clinic_rules_which_imported_yes_waits(
    portal: RunningPortal, rule: str, bare: str, proven: str
) -> None:
    """A careful clinic has everybody confirm once more."""
    program = portal.open_clinic(change=lambda document: document.update(imported_yes=rule))
    file = "\n".join(
        [
            MAILCHIMP,
            opted_in("bare@example.org"),
            opted_in("proven@example.org", confirmed="2024-03-01 10:20:00"),
            "",
        ]
    )
    told = bring_in(program, file).json()["lines"]
    assert [each["states"][NEWS] for each in told] == [bare, proven]


def test_a_clinic_that_asks_for_an_age_says_that_the_source_did(portal: RunningPortal) -> None:
    """No Yes is taken of whom nobody asked for their age; a child's goes by its guardian."""
    program = portal.open_clinic("kaunas-polyclinics")
    said = {"from": "sheet", "system": "Old list", "purpose": "programme"}
    file = "email,date,consent,born\nona@example.org,2024-01-01,yes,\n"
    assert bring_in(program, file, **said).json()["lines"][0]["reason"] == "age_not_declared"
    told = bring_in(program, file, declared_adult="true", **said).json()["lines"][0]
    assert told["outcome"] == "recorded"
    [receipt] = program.history(email="ona@example.org")
    assert receipt["evidence"]["declared_age"] == "18"
    young = "email,date,consent,born\nlukas@example.org,2024-01-01,yes,2010-05-05\n"
    told = bring_in(program, young, declared_adult="true", **said).json()["lines"][0]
    assert told["reason"] == "too_young"
    no = "email,date,consent,born\nlukas@example.org,2024-01-01,no,2010-05-05\n"
    assert bring_in(program, no, **said).json()["lines"][0]["outcome"] == "recorded"
    for written in ("2010/05/05", "05-05-2010", "5 May 2010"):
        unclear = f"email,date,consent,born\nrasa@example.org,2024-01-01,yes,{written}\n"
        told = bring_in(program, unclear, declared_adult="true", **said).json()["lines"][0]
        assert (told["outcome"], told["reason"]) == ("rejected", "date_unclear")
    no = "email,date,consent,born\nrasa@example.org,2024-01-01,no,2010/05/05\n"
    assert bring_in(program, no, **said).json()["lines"][0]["outcome"] == "recorded"
    birthday = "email,date,consent,born\nvida@example.org,2024-01-01,yes,05/05\n"
    told = bring_in(program, birthday, declared_adult="true", **said).json()["lines"][0]
    assert told["outcome"] == "recorded", "a birthday without a year tells no age"


def test_another_clinic_learns_nothing_and_a_joint_controller_imports_its_own(
    portal: RunningPortal, program: Program
) -> None:
    """Whose list it is, is the key's to say."""
    line = opted_in("anna.ozola@example.org", confirmed="2024-03-01 10:20:00")
    bring_in(program, f"{MAILCHIMP}\n{line}\n")
    other = portal.open_clinic()
    assert state(other, "anna.ozola@example.org")["state"] == "never_asked"
    stranger = Program(program.clinic, other.key)
    assert bring_in(stranger, f"{MAILCHIMP}\n{line}\n").status == 404
    lead = portal.open_clinic("kaunas-polyclinics")
    pills = portal.member(lead.clinic, "liepziedzio-vaistines")
    file = "email,date,consent,evidence\nona@example.org,2024-01-01,yes,Form 3\n"
    said = {"from": "sheet", "system": "Pharmacy", "declared_adult": "true"}
    foreign = bring_in(pills, file, purpose="data_sharing.cardiology", **said)
    assert (foreign.status, foreign.json()["errors"][0]["pointer"]) == (422, "/purpose")
    own = bring_in(pills, file, purpose="data_sharing.pharmacy", **said).json()
    assert own["states"] == {"data_sharing.pharmacy": {"granted": 1}}
    [receipt] = lead.history(email="ona@example.org")
    assert receipt["evidence"]["member"] == "liepziedzio-vaistines"


def test_a_family_that_shares_a_phone_is_not_spoken_for(program: Program) -> None:
    """A Yes of an old list goes to nobody for certain; a withdrawal stops it for all of them."""
    for number in ("P-1", "P-2"):
        body = {
            "subject": {"patient_ref": number, "phone": "+37126123456"},
            "decisions": {TEXTS: "yes"},
            "channel": "phone",
            "effective_at": "2024-01-01",
        }
        assert program.call("receipts", body).status == 201
    said = {"from": "sheet", "system": "Old list", "purpose": TEXTS}
    yes = bring_in(program, "phone,date,consent\n26123456,2025-01-01,yes\n", **said).json()
    assert yes["lines"][0]["reason"] == "several_people"
    dry = bring_in(
        program, "phone,date,consent\n26123456,2025-01-01,unsubscribed\n", dry_run="1", **said
    ).json()
    stop = bring_in(
        program, "phone,date,consent\n26123456,2025-01-01,unsubscribed\n", **said
    ).json()
    assert (
        dry["lines"]
        == stop["lines"]
        == [{"line": 2, "outcome": "recorded", "states": {TEXTS: "withdrawn"}}]
    )
    for number in ("P-1", "P-2"):
        asked = {"subjects": [{"patient_ref": number}], "purposes": [TEXTS]}
        told = program.call("status", asked).json()["results"][0]["decisions"][TEXTS]
        assert told["state"] == "withdrawn"


def test_an_erased_person_does_not_come_back_with_the_same_file(program: Program) -> None:
    """Whoever was erased stays so, though the old list still names them (GDPR Art. 17)."""
    line = opted_in("anna.ozola@example.org", confirmed="2024-03-01 10:20:00")
    bring_in(program, f"{MAILCHIMP}\n{line}\n")
    erased = program.call("erasures", {"subject": {"email": "anna.ozola@example.org"}})
    assert erased.status == 200, erased.text
    again = bring_in(program, f"{MAILCHIMP}\n{line}\n").json()
    assert again["outcomes"]["already"] == 1
    assert state(program, "anna.ozola@example.org")["state"] == "never_asked"


def test_addresses_of_networks_are_taken_only_when_asked(
    portal: RunningPortal, program: Program
) -> None:
    """What proves nothing more is left where it is (GDPR Art. 5(1)(c))."""
    for email, said in (("a@example.org", {}), ("b@example.org", {"ip": "keep"})):
        line = opted_in(email, confirmed="2024-03-01 10:20:00")
        bring_in(program, f"{MAILCHIMP}\n{line}\n", **said)
        [receipt] = program.history(email=email)
        form = evidence_of(portal, program, receipt["id"])["form"]
        assert ("198.51.100.7" in form) == bool(said)
        assert "198.51.100.7" not in str(receipt)


def test_those_who_wait_are_asked_only_when_the_clinic_says_so(
    portal: RunningPortal, program: Program, client: Client
) -> None:
    """Two thousand people get no message by surprise; who is asked confirms as always."""
    silent, asked = (Contact(ContactKind.EMAIL, f"{name}@example.org") for name in ("s", "asked"))
    file = f"{MAILCHIMP}\n{opted_in('s@example.org')}\n"
    bring_in(program, file)
    assert carried(portal, silent) == []
    waiting = state(program, "s@example.org")
    assert waiting["state"] == "pending"
    [claim] = program.history(email="s@example.org")
    until = claim["decisions"][NEWS]["confirm_by"]
    assert unasked(portal, program.clinic, silent, until) == [], "nor by a reminder"
    bring_in(program, f"{MAILCHIMP}\n{opted_in('asked@example.org')}\n", confirm="send")
    [message] = carried(portal, asked)
    answer = client.post(
        f"/confirm/{token_in(message, 'confirm')}", {"sure": "yes", "purpose": NEWS}
    )
    assert answer.status == 303, answer.text
    told = state(program, "asked@example.org")
    assert (told["state"], told["permitted"], told["assurance"]) == (
        "granted",
        True,
        "contact-confirmed",
    )
    _, receipt = program.history(email="asked@example.org")
    assert receipt["evidence"]["same_as"] == "1.0"
    assert "_sd" not in receipt["evidence"], "the words belong to the first receipt"
    confirmed = opted_in("proven@example.org", confirmed="2024-03-01 10:20:00")
    bring_in(program, f"{MAILCHIMP}\n{confirmed}\n", confirm="send")
    proven = Contact(ContactKind.EMAIL, "proven@example.org")
    assert carried(portal, proven) == [], "who need not confirm is asked nothing"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_and_formats_say_in_every_language_that_the_text_is_the_clinics_word(
    portal: RunningPortal, client: Client, lang: str
) -> None:
    """Nobody reads that they were shown a text of this portal."""
    program = portal.open_clinic("tbilisi-ultrasound" if lang == "ka" else "riga-aesthetics")
    if lang == "lt":
        program = portal.open_clinic("vilnius-dental")
    line = opted_in("anna.ozola@example.org", confirmed="2024-03-01 10:20:00")
    told = bring_in(program, f"{MAILCHIMP}\n{line}\n", lang=lang)
    assert told.json()["states"] == {NEWS: {"granted": 1}}, told.text
    [receipt] = program.history(email="anna.ozola@example.org")
    portal.seal()
    number, anna = receipt["id"], Contact(ContactKind.EMAIL, "anna.ozola@example.org")
    written = {
        form: program.receipt(number, f"?format={form}&lang={lang}")
        for form in ("json", "jws", "sd-jwt", "dpv", "fhir-r4", "fhir-r5", "pdf", "html")
    }
    assert {form: answer.status for form, answer in written.items()} == dict.fromkeys(written, 200)
    assert program.receipt(number, "?format=kantara").status == 406, "it must name the text"
    words = WORDS[lang]
    assert words in " ".join(Page(written["html"]).words.split())
    for release in ("fhir-r4", "fhir-r5"):
        assert words in " ".join(written[release].json()["text"]["div"].split())
    token = a_token(portal, program.clinic, anna, LinkScope.MANAGE, number)
    own = client.get(f"/manage/{token}?lang={lang}&change=newsletter")
    assert own.status == 200
    assert words in " ".join(Page(own).words.split())
    page = client.get(f"/{program.clinic}/receipts/{number}?lang={lang}")
    assert words in " ".join(Page(page).words.split())
    check = next(link for link in Page(page).links if "/verify?code=" in link)
    verified = client.get(check[check.index("/verify") :])
    assert words in " ".join(Page(verified).words.split())


WORDS = {
    "lv": "aprakstīts tas pats, kas paziņojuma versijā 1.0",
    "lt": "aprašyta tas pat, kas pranešimo versijoje 1.0",
    "ru": "описано то же, что в уведомлении версии 1.0",
    "ka": "იგივე იყო აღწერილი, რაც კონფიდენციალურობის პოლიტიკის ვერსიაში 1.0",
    "en": "described the same as notice version 1.0",
}
