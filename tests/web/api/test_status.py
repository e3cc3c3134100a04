"""The status call tells the truth about every subject, however a program spells it."""

import pytest

from chalicelib.store import compact
from chalicelib.store.keys.key import Key
from chalicelib.store.writes import SetKept
from tests.cast import RIGA
from tests.web.client import Client, Program
from tests.web.letterbox import confirmed
from tests.web.page_reader import decide
from tests.web.running import RunningPortal, counts_at_once

KAUNAS, TBILISI = "kaunas-polyclinics", "tbilisi-ultrasound"
STAFF = {"channel": "in-person", "effective_at": "2026-11-10T10:00:00+02:00"}


@pytest.mark.parametrize(
    "spelled",
    [
        "anna.ozola@example.org",
        "ANNA.OZOLA@EXAMPLE.ORG",
        " Anna.Ozola@Example.org ",
        "ａｎｎａ.ozola@example.org",
    ],
)
def test_an_email_is_found_however_it_is_spelled(
    client: Client, portal: RunningPortal, spelled: str
) -> None:
    """Case, spaces and full-width letters hide nobody's No."""
    program = portal.open_clinic()
    confirmed(
        client,
        portal,
        program.clinic,
        {"decision.newsletter.email": "yes", "email": "Anna.Ozola@example.org"},
    )
    assert program.states(email=spelled)["newsletter.email"] == "granted"


@pytest.mark.parametrize(
    ("like", "typed", "asked"),
    [
        (
            RIGA,
            "26123456",
            ["+371 26123456", "371-26-123-456", "0037126123456", "8 26123456", "+371(26)123456"],
        ),
        (RIGA, "+371 2612 3456", ["26 12 34 56", "826123456"]),
        (
            KAUNAS,
            "8 612 34567",
            ["+370 612 34567", "861234567", "0 612 34567", "61234567", "00370 61234567"],
        ),
        (KAUNAS, "(8~612) 34567".replace("~", "-"), ["+37061234567"]),
        (
            TBILISI,
            "555 12 34 56",
            ["+995555123456", "0 555 123 456", "995 555 12 34 56", "00995555123456"],
        ),
    ],
)
def test_a_phone_is_found_in_every_national_spelling(
    client: Client, portal: RunningPortal, like: str, typed: str, asked: list[str]
) -> None:
    """Whatever way people write numbers in Latvia, Lithuania and Georgia."""
    program = portal.open_clinic(like)
    fields = {"decision.newsletter.sms": "yes", "phone": typed, "adult": "yes"}
    assert confirmed(client, portal, program.clinic, fields).status == 303
    answer = program.call(
        "status", {"subjects": [{"phone": each} for each in asked], "purposes": ["newsletter.sms"]}
    )
    told = answer.json()["results"]
    assert [result["subject"]["phone"] for result in told] == asked
    assert [result["decisions"]["newsletter.sms"]["state"] for result in told] == ["granted"] * len(
        asked
    )


def test_a_patient_is_found_by_the_clinics_own_number(portal: RunningPortal) -> None:
    """A program that knows no contact can ask all the same."""
    program = portal.open_clinic()
    body = {"subject": {"patient_ref": "P-1007"}, "decisions": {"newsletter.email": "no"}, **STAFF}
    assert program.call("receipts", body).status == 201
    assert program.states(patient_ref=" P-1007 ")["newsletter.email"] == "refused"
    assert program.states(patient_ref="p-1007")["newsletter.email"] == "never_asked"


def test_a_subject_named_in_two_ways_is_judged_by_the_stricter(
    client: Client, portal: RunningPortal
) -> None:
    """A No under either contact is a No."""
    program = portal.open_clinic(change=counts_at_once)
    decide(
        client,
        program.clinic,
        {"decision.testimonials.text": "yes", "email": "anna.ozola@example.org"},
    )
    decide(client, program.clinic, {"decision.testimonials.text": "no", "phone": "26123456"})
    both = program.states(email="anna.ozola@example.org", phone="26123456")
    assert both["testimonials.text"] == "refused"
    assert program.states(email="anna.ozola@example.org")["testimonials.text"] == "granted"


def test_a_hundred_subjects_are_told_in_the_order_asked(
    client: Client, portal: RunningPortal
) -> None:
    """A program can match answers to its list by position; the same subject may come twice."""
    program = portal.open_clinic()
    confirmed(
        client,
        portal,
        program.clinic,
        {"decision.newsletter.email": "yes", "email": "p07@example.org"},
    )
    asked = [{"email": f"p{number:02d}@example.org"} for number in range(99, -1, -1)]
    asked[0] = {"email": "P07@example.org"}
    answer = program.call("status", {"subjects": asked, "purposes": ["newsletter.email"]})
    results = answer.json()["results"]
    assert [result["subject"] for result in results] == asked
    permitted = [
        number
        for number, result in enumerate(results)
        if result["decisions"]["newsletter.email"]["permitted"]
    ]
    assert permitted == [0, 92]


def test_a_hundred_and_one_subjects_are_too_many(portal: RunningPortal) -> None:
    """The limit is said, nothing is answered in part."""
    program = portal.program()
    answer = program.call("status", {"subjects": [{"phone": "26123456"}] * 101})
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/subjects"]


def test_only_the_purposes_asked_for_are_told(portal: RunningPortal) -> None:
    """A purpose stands for its options; an option for itself; twice is once."""
    program = portal.program()
    asked = ["data_sharing", "newsletter.email", "newsletter", "newsletter.email"]
    answer = program.call("status", {"subjects": [{"phone": "26123456"}], "purposes": asked})
    told = list(answer.json()["results"][0]["decisions"])
    assert [address for address in told if address.startswith("newsletter")] == [
        "newsletter.email",
        "newsletter.sms",
    ]
    assert len(told) == len(set(told))
    assert {address.partition(".")[0] for address in told} == {"data_sharing", "newsletter"}
    everything = program.call("status", {"subjects": [{"phone": "26123456"}]}).json()["results"][0][
        "decisions"
    ]
    assert everything.keys() > set(told)


def test_a_purpose_without_options_is_told_as_itself(portal: RunningPortal) -> None:
    """Kaunas asks for its programme as a whole."""
    answer = portal.program(KAUNAS).call(
        "status", {"subjects": [{"phone": "61234567"}], "purposes": ["programme"]}
    )
    assert list(answer.json()["results"][0]["decisions"]) == ["programme"]


def test_who_was_never_asked_is_told_with_nothing_but_that(portal: RunningPortal) -> None:
    """Every member is there, null or false: a program needs no special case."""
    answer = portal.program().call(
        "status", {"subjects": [{"email": "nobody@example.org"}], "purposes": ["newsletter"]}
    )
    assert {"results": answer.json()["results"]} == {
        "results": [
            {
                "subject": {"email": "nobody@example.org"},
                "contact_kinds": [],
                "decisions": {
                    address: {
                        "state": "never_asked",
                        "permitted": False,
                        "holds_for": [],
                        "restricted": False,
                        "since": None,
                        "since_date": None,
                        "receipt_id": None,
                        "version": None,
                        "notice_version": None,
                        "lang": None,
                        "channel": None,
                        "assurance": None,
                    }
                    for address in ("newsletter.email", "newsletter.sms")
                },
            }
        ]
    }


FAULTS: list[tuple[dict[str, object], list[str]]] = [
    ({}, ["/subjects"]),
    ({"subjects": []}, ["/subjects"]),
    ({"subjects": {"email": "a@example.org"}}, ["/subjects"]),
    ({"subjects": [{"phone": "26123456"}], "purposes": []}, ["/purposes"]),
    ({"subjects": [{"phone": "26123456"}], "purposes": "newsletter"}, ["/purposes"]),
    (
        {"subjects": [{"phone": "26123456"}], "purposes": ["newsletter", "horoscopes", 7]},
        ["/purposes/1", "/purposes/2"],
    ),
    ({"subjects": [{"phone": "26123456"}], "purposes": ["newsletter."]}, ["/purposes/0"]),
    ({"subjects": [{"phone": "26123456"}], "a/b~c": 1}, ["/a~1b~0c"]),
]


@pytest.mark.parametrize(("body", "pointers"), FAULTS)
def test_every_fault_of_a_question_is_named_by_its_place(
    portal: RunningPortal, body: dict[str, object], pointers: list[str]
) -> None:
    """Unknown fields are refused, not ignored: a program never believes that it asked what it did
    not.
    """
    answer = portal.program().call("status", body)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


def test_another_clinics_program_knows_nothing_of_it(client: Client, portal: RunningPortal) -> None:
    """The same address at another clinic was never asked there."""
    program, other = portal.open_clinic(), portal.open_clinic(TBILISI)
    decide(
        client,
        program.clinic,
        {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"},
    )
    assert set(other.states(email="anna.ozola@example.org").values()) == {"never_asked"}
    assert other.history(email="anna.ozola@example.org") == []
    stranger = Program(program.clinic, other.key)
    assert (
        stranger.call("status", {"subjects": [{"email": "anna.ozola@example.org"}]}).status == 404
    )


def test_what_was_true_then_and_what_was_known_then_are_two_questions(
    portal: RunningPortal,
) -> None:
    """A form signed on the 10th and typed in today: true since the 10th, and unknown until
    today.
    """
    program = portal.open_clinic()
    anna = {"email": "anna.ozola@example.org"}
    assert (
        program.call(
            "receipts", {"subject": anna, "decisions": {"newsletter.email": "yes"}, **STAFF}
        ).status
        == 201
    )

    def told(**when: str) -> tuple[str, str]:
        body = {"subjects": [anna], "purposes": ["newsletter.email"], **when}
        answer = program.call("status", body).json()
        status = answer["results"][0]["decisions"]["newsletter.email"]
        assert status["permitted"] == (status["state"] == "granted")
        return status["state"], answer["at"]

    assert told(at="2026-11-10T09:59:59+02:00") == ("never_asked", "2026-11-10T07:59:59.000Z")
    assert told(at="2026-11-10T10:00:00+02:00") == ("granted", "2026-11-10T08:00:00.000Z")
    assert told(at="2026-11-10T12:00:00+02:00", known_at="2026-11-11T00:00:00Z")[0] == "never_asked"
    assert told(known_at="2026-11-11T00:00:00Z") == ("never_asked", "2026-11-11T00:00:00.000Z")
    assert told(at="2036-01-01T00:00:00Z")[0] == "granted"
    assert told()[0] == "granted"


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ({"at": "yesterday"}, "/at"),
        ({"at": "2026-11-10"}, "/at"),
        ({"known_at": None}, "/known_at"),
        ({"known_at": "2036-01-01T00:00:00Z"}, "/known_at"),
    ],
)
def test_a_moment_that_is_none_is_refused(
    portal: RunningPortal, when: dict[str, object], place: str
) -> None:
    """Nobody is told about another moment than the one they meant."""
    answer = portal.open_clinic().call(
        "status", {"subjects": [{"email": "anna.ozola@example.org"}], **when}
    )
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [place]


def test_what_cannot_be_read_is_not_permitted(client: Client, portal: RunningPortal) -> None:
    """A record that is damaged, or written by a version to come, is a fault and never a Yes."""
    program = portal.open_clinic()
    confirmed(
        client,
        portal,
        program.clinic,
        {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"},
    )
    [entry] = [
        Key(*key)
        for key in portal.items()
        if key[0].startswith(f"CLINIC#{program.clinic}#CONTACT#")
    ]
    kept = was = bytes(portal.table.get([entry])[entry].blob or b"")
    text = compact.unpack(kept)
    for damaged in (
        kept[:-9],
        b"\xff" + kept[1:],
        compact.pack(text[:-9]),
        compact.pack(text.replace('"y"', '"sure"')),
        compact.pack(text.replace('"answers"', '"replies"')),
    ):
        assert damaged not in {kept, was}
        portal.table.write([SetKept(entry, damaged, was)])
        was = damaged
        answer = program.call("status", {"subjects": [{"email": "anna.ozola@example.org"}]})
        assert answer.status == 503


WRONG = [
    ({"email": "no address"}, "/email"),
    ({"email": "x" * 300 + "@example.org"}, "/email"),
    ({"phone": "12"}, "/phone"),
    ({"patient_ref": ""}, "/patient_ref"),
    ({"email": "anna@example.org", "phone": "none"}, "/phone"),
    ({"e-mail": "anna@example.org"}, ""),
    ({}, ""),
    ("p17@example.org", ""),
    (None, ""),
    ({"phone": 26123456}, "/phone"),
    ({"patient_ref": "x" * 65}, "/patient_ref"),
    ({"patient_ref": ["x"]}, "/patient_ref"),
    ({"patient_ref": None}, "/patient_ref"),
]


@pytest.mark.parametrize(("wrong", "place"), WRONG)
def test_one_bad_address_among_a_hundred_answers_for_itself(
    portal: RunningPortal, wrong: object, place: str
) -> None:
    """A list is asked about as it is: the row that is wrong is named, and the ninety-nine others
    are told.
    """
    program = portal.open_clinic()
    asked: list[object] = [{"email": f"p{number:02d}@example.org"} for number in range(100)]
    body = {"subject": asked[41], "decisions": {"newsletter.email": "no"}, **STAFF}
    assert program.call("receipts", body).status == 201
    asked[17] = wrong
    answer = program.call("status", {"subjects": asked, "purposes": ["newsletter.email"]})
    results = answer.json()["results"]
    assert [result["subject"] for result in results] == asked
    assert [number for number, result in enumerate(results) if "error" in result] == [17]
    assert results[17].keys() == {"subject", "error"}
    assert results[17]["error"]["pointer"] == f"/subjects/17{place}"
    assert results[41]["decisions"]["newsletter.email"]["state"] == "refused"
    assert results[99]["decisions"]["newsletter.email"]["state"] == "never_asked"


def test_a_list_of_nothing_but_bad_addresses_permits_nothing(portal: RunningPortal) -> None:
    """And it is answered row by row like any other."""
    results = (
        portal.program()
        .call("status", {"subjects": [{"phone": "1"}, {"email": ""}]})
        .json()["results"]
    )
    assert [result["error"]["pointer"] for result in results] == [
        "/subjects/0/phone",
        "/subjects/1/email",
    ]


@pytest.mark.parametrize(
    "body", [{"subjects": [{}], "purposes": ["none"]}, {"subjects": []}, {"at": "now"}]
)
def test_other_faults_of_the_body_are_faults_of_all_of_it(
    portal: RunningPortal, body: dict[str, object]
) -> None:
    """A purpose that is misspelled is misspelled for everybody."""
    assert portal.program().call("status", body).status == 422
