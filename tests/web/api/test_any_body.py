"""Whatever a program sends, the answer is one that the document describes: never a fault of
ours.
"""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.client import Program
from tests.web.running import RunningPortal

ADDRESSES = [
    "newsletter.email",
    "newsletter.sms",
    "testimonials.text",
    "contests.autumn_photo",
    "data_sharing.skincare_maker",
]
SLOW = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
strange = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "~/~1",
        "a" * 5000,
        "<script>",
        "٢٦١٢٣٤٥٦",
        "\u200b",
        "ⅷ",
        "İ@example.org",
    ]
)
typed = (
    st.sampled_from(["anna.ozola@example.org", "+37126123456", "555 12 34 56", "P-1"])
    | strange
    | st.text(max_size=30)
)
subjects = st.sampled_from(
    [
        {"email": "Anna.Ozola@example.org"},
        {"phone": "26 123 456"},
        {"patient_ref": "P-1"},
        {"phone": "26123456", "patient_ref": "Ķ"},
    ]
)
purposes = st.lists(st.sampled_from([*ADDRESSES, "newsletter", "contests"]), min_size=1, max_size=3)
evidence = st.fixed_dictionaries({"form": st.just("A-1")}, optional={"sha256": st.just("ab" * 32)})
moments = st.dates(date(1, 1, 2), date(2027, 1, 1)).map(lambda day: f"{day}T10:00:00.5+02:00")
spelled = st.sampled_from(
    [
        "2026-11-10",
        "20261110T100000Z",
        "2026-W46-2T10:00:00Z",
        "2026-11-10 10:00:00+0200",
        "0001-01-01T00:00:00+14:00",
    ]
)


def harmed(body: Any) -> st.SearchStrategy[Any]:
    """Give the same body with one thing wrong somewhere inside: another value, one missing, one
    that nobody knows.
    """
    value = anything | typed | spelled
    if isinstance(body, list) and body:
        return harmed(body[0]).map(lambda first: [first, *body[1:]]) | value
    if not isinstance(body, dict) or not body:
        return value
    member = st.sampled_from(sorted(body))
    return st.one_of(
        member.flatmap(lambda name: harmed(body[name]).map(lambda worse: {**body, name: worse})),
        member.map(lambda name: {key: kept for key, kept in body.items() if key != name}),
        st.tuples(st.sampled_from(["at", "guardian", "a/b", "~", "\ud800", "email"]), value).map(
            lambda more: {**body, more[0]: more[1]}
        ),
    )


decided = {
    "subject": subjects,
    "channel": st.sampled_from(["paper", "phone", "in-person"]),
    "effective_at": moments,
    "evidence": evidence,
}
said = st.dictionaries(
    st.sampled_from(ADDRESSES), st.sampled_from(["yes", "no"]), min_size=1, max_size=3
)
spoken = {"lang": st.sampled_from(["lv", "ru", "en"])}
BODIES = {
    "status": st.fixed_dictionaries(
        {"subjects": st.lists(subjects, min_size=1, max_size=4)}, optional={"purposes": purposes}
    ),
    "history": st.fixed_dictionaries({"subject": subjects}),
    "receipts": st.fixed_dictionaries(
        {**decided, "decisions": said}, optional={**spoken, "name": st.just("Anna Ķ.")}
    ),
    "withdrawals": st.fixed_dictionaries({**decided, "purposes": purposes}, optional=spoken)
    | st.fixed_dictionaries({**decided, "all": st.just(value=True)}, optional=spoken),
}
ANSWERS = {"status": 200, "history": 200, "receipts": 201, "withdrawals": 201}


@pytest.fixture(scope="module")
def program(settled: RunningPortal) -> Program:
    """Give a program for all that is sent here."""
    return settled.open_clinic()


@pytest.mark.parametrize("name", BODIES)
def test_any_body_is_answered_as_described(program: Program, name: str) -> None:
    """Taken or refused with its faults named, and always in the shape that was promised (the client
    checks).
    """
    seen = set()

    @SLOW
    @given(BODIES[name] | BODIES[name].flatmap(harmed) | anything)
    def send(body: object) -> None:
        answer = program.call(name, body)
        seen.add(answer.status)
        assert answer.status in {ANSWERS[name], 400, 409, 422}
        if answer.status == 422:
            assert answer.json()["errors"]

    send()
    assert {ANSWERS[name], 422} <= seen


@SLOW
@given(
    body=st.binary(max_size=200),
    key=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40),
)
def test_any_bytes_and_any_key_are_answered_as_described(
    program: Program, body: bytes, key: str
) -> None:
    """Noise gets a problem, with a valid key and with any other."""
    assert program.call("status", body).status in {400, 422}
    assert Program(program.clinic, key).call("status", b"{}").status == 401


def test_any_document_is_kept_or_refused_and_what_is_kept_can_be_looked_through(
    portal: RunningPortal, program: Program
) -> None:
    """A draft may be anything of this clinic's; nothing in it breaks what reads it."""
    document = {**portal.documents[program.clinic], "version": "1.1"}
    seen = set()

    @SLOW
    @given(harmed(document))
    def send(body: object) -> None:
        drafted = program.call("notices", body)
        seen.add(drafted.status)
        assert drafted.status in {201, 400, 409, 422}
        if drafted.status == 201:
            version = drafted.json()["version"]
            looked = program.call(f"notices/{version}/publish?preview=1", {})
            assert looked.status == (409 if drafted.json()["missing"] else 200)
            assert program.get(f"notices/{version}").json()["sha256"] == drafted.json()["sha256"]

    send()
    assert {201, 422} <= seen
    assert program.get("notices").status == 200


def test_a_slip_in_the_json_is_told_with_its_line_and_column(portal: RunningPortal) -> None:
    """A program's author finds the missing comma; nothing of what was sent is repeated."""
    body = b'{"subjects": [\n  {"email": "anna.ozola@example.org" "patient_ref": "P-1"}]}'
    answer = portal.program().call("status", body)
    assert (answer.status, answer.json()["title"]) == (400, "Unreadable body")
    assert answer.json()["detail"] == (
        "The body must be a JSON object in UTF-8. Line 2, column 38: Expecting ',' delimiter."
    )
    for other in (b"[]", b"\xff", b"[" * 100_000):
        assert (
            portal.program()
            .call("status", other)
            .json()["detail"]
            .startswith("The body must be a JSON object in")
        )
