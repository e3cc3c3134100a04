"""A whole day at the portal in a process of its own, so that every line it writes can be read
afterwards.

    python -m tests.web.day FOLDER

Writes what nobody may find in a log to FOLDER/secrets.json; what the application logs goes to
stdout, what libraries warn of to stderr, as in Lambda.
"""

import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.session

from chalicelib.portal import Portal, get_portal
from infra.local.aws import REGION, aws_environment, ministack
from infra.local.demo import publish_demo
from infra.operator import keys
from tests.cast import RIGA, TBILISI, create_table, environment

ANNA = {"name": "Anna Ozoliņa-Bērziņa", "email": "Anna.Ozola@example.org", "phone": "26 123 456"}
GIORGI = {"name": "გიორგი ბერიძე", "email": "giorgi+news@example.com", "phone": "+995 555 12 34 56"}
TYPED = [
    "anna.ozola@@example",
    "zane(at)example.org",
    "12 34",
    "+995 1",
    "Pēteris <script>",
    "P-100777",
]
NOON = "2026-11-10T12:00:00+02:00"


class Beside:
    """The portal as the post sees it, which makes the links."""

    @property
    def in_process(self) -> Portal:
        """The same table, in this process."""
        return get_portal()


def main(folder: Path) -> None:
    """Live the day, then again with the store gone; tell what must not be told."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    with ministack() as url:
        os.environ.update(aws_environment(url) | {"TABLE_NAME": "portal"})
        create_table(url, "portal")
        arn = (
            botocore.session.get_session()
            .create_client("kms", REGION)
            .create_key()["KeyMetadata"]["Arn"]
        )
        given = publish_demo({**os.environ, "CLINIC_KEY_ARN": arn}, folder / "keys.json")
        secrets = {
            "keys": [entry["api_key"] for entry in given.values()],
            "states": [],
            "receipts": [],
            "links": [],
        }
        _lived(given, secrets)
    with environment({"POWERTOOLS_LOG_LEVEL": "DEBUG"}):
        _refused(given, secrets, 503)  # with what the process remembers
        get_portal.cache_clear()
        _refused(given, secrets, 503)  # and as one that has just started
    secrets["contacts"] = [value for person in (ANNA, GIORGI) for value in person.values()] + TYPED
    (folder / "secrets.json").write_text(json.dumps(secrets), encoding="utf-8")


def _lived(given: dict[str, dict[str, str]], secrets: dict[str, list[str]]) -> None:
    from tests.web.client import Client, Program  # noqa: PLC0415 - the application, once its settings are there
    from tests.web.letterbox import letters  # noqa: PLC0415
    from tests.web.page_reader import open_page, receipt_number  # noqa: PLC0415

    client, home = Client(), Beside()
    for clinic, person in ((RIGA, ANNA), (TBILISI, GIORGI)):
        for page in ("", "/withdraw"):
            state = open_page(client, f"/{clinic}{page}?src=desk").fields["state"]
            secrets["states"].append(state)
            for wrong in TYPED:
                bad = {
                    "decision.newsletter.email": "yes",
                    "all": "yes",
                    "email": wrong,
                    "phone": wrong,
                    "name": wrong,
                }
                assert client.post(f"/{clinic}{page}", {**bad, "state": state}).status == 422
                client.post(f"/{clinic}{page}", {**bad, "state": state[:-2], "purpose": wrong})
            said = {
                "decision.newsletter.email": "yes",
                "decision.newsletter.sms": "yes",
                "all": "yes",
                "state": state,
            }
            answers = [client.post(f"/{clinic}{page}", said | person) for _ in range(2)]
            secrets["receipts"].append(receipt_number(answers[0]))
            assert client.follow(answers[1]).status == 200
            for token, asked in letters(home, clinic, secrets["receipts"][-1]):
                secrets["links"].append(token)
                assert client.get(f"/confirm/{token}?src={token}").status == 200
                assert (
                    client.get(f"/undo/{token}").status
                    == client.get(f"/confirm/{token[::-1]}").status
                    == 404
                )
                assert (
                    client.post(
                        f"/confirm/{token}", {"purpose": asked, "sure": person["email"]}
                    ).status
                    == 422
                )
                confirmed = client.post(f"/confirm/{token}", {"purpose": asked, "sure": "yes"})
                secrets["receipts"].append(receipt_number(confirmed))
        client.send(
            "POST", f"/{clinic}", json.dumps(person).encode(), {"Content-Type": "application/json"}
        )
        for lost in (person["email"], person["phone"], state, given[clinic]["api_key"]):
            assert client.get(f"/{lost}").status == 404
            assert client.get(f"/{clinic}/receipts/{lost}?lang={lost}&src={lost}").status == 404
            assert client.get(f"/verify?code={quote(lost)}").status == 422
            assert client.post("/verify", {"receipt": lost}).status == 422
            client.get(
                f"/{clinic}?lang={lost}",
                {"Accept-Language": lost, "Referer": lost, "User-Agent": lost},
            )
        code = re.findall(r"/verify\?code=([0-9a-z-]+)", client.follow(answers[1]).text)[0]
        assert (
            client.get(f"/verify?code={code}").status
            == client.post("/verify", {"receipt": code}).status
            == 200
        )
        program, other = (
            Program(clinic, given[clinic]["api_key"]),
            Program(RIGA + "-2", given[clinic]["api_key"]),
        )
        subject = {"email": person["email"]}
        bodies: list[tuple[str, Any]] = [
            ("status", {"subjects": [subject, {"phone": person["phone"]}]}),
            ("history", {"subject": subject}),
            (
                "receipts",
                {
                    "subject": {**subject, "patient_ref": TYPED[-1]},
                    "name": person["name"],
                    "channel": "phone",
                    "evidence": {"form": f"Call of {person['name']}", "witness": person["email"]},
                    "effective_at": NOON,
                    "decisions": {"newsletter.email": "yes"},
                },
            ),
            (
                "withdrawals",
                {"subject": subject, "all": True, "channel": "phone", "effective_at": NOON},
            ),
            ("restrictions", {"subject": subject, "restricted": True}),
            ("contacts", {"subject": subject, "remove": {"patient_ref": TYPED[-1]}}),
            ("erasures", {"subject": {**subject, "phone": person["phone"]}, "everyone": True}),
        ]
        for name, body in bodies:
            assert (
                program.call(name, body, {"Idempotency-Key": name + person["email"]}).status < 300
            )
            assert program.call(name, {**body, person["email"]: person["phone"]}).status == 422
            assert (
                program.call(name, {name: wrong for name in body for wrong in TYPED}).status == 422
            )
            assert program.call(name, json.dumps(body)[:-1].encode()).status == 400
            assert other.call(name, body).status == 404
            assert Program(clinic, person["email"]).call(name, body).status == 401
            assert (
                Program(f"{person['phone']}".replace(" ", "%20"), None).call(name, body).status
                == 401
            )
        assert program.receipt(person["email"]).status == 404
        assert (
            program.receipt(
                secrets["receipts"][-1], f"?format={person['email'].replace('+', '%2B')}"
            ).status
            == 400
        )
    keys.revoke(get_portal().table, RIGA, keys.all_keys(get_portal().table, RIGA)[0].id)
    assert (
        Program(RIGA, given[RIGA]["api_key"])
        .call("status", {"subjects": [{"email": ANNA["email"]}]})
        .status
        == 401
    )


def _refused(given: dict[str, dict[str, str]], secrets: dict[str, list[str]], status: int) -> None:
    from tests.web.client import Client, Program  # noqa: PLC0415 - as above

    client = Client()
    state, number, token = secrets["states"][0], secrets["receipts"][0], secrets["links"][0]
    said = {"decision.newsletter.email": "yes", "all": "yes", "state": state}
    for page in ("", "/withdraw"):
        answers = [
            client.get(f"/{RIGA}{page}?lang=lv"),
            client.post(f"/{RIGA}{page}?lang=lv", said | ANNA),
        ]
        for answer in answers:
            assert (answer.status, answer.headers["retry-after"]) == (status, "2")
            assert '<html lang="lv">' in answer.text
    assert client.get(f"/{RIGA}/receipts/{number}").status == status
    assert (
        client.get(f"/confirm/{token}").status
        == client.post(f"/confirm/{token}", {"sure": "yes"}).status
        == status
    )
    assert client.get("/health").status == status
    program = Program(TBILISI, given[TBILISI]["api_key"])
    subject = {"email": GIORGI["email"]}
    body = {"subject": subject, "channel": "phone", "effective_at": NOON}
    for name, sent in (
        ("status", {"subjects": [subject]}),
        ("history", {"subject": subject}),
        ("receipts", {**body, "decisions": {"newsletter.email": "yes"}}),
        ("withdrawals", {**body, "all": True}),
        ("restrictions", {"subject": subject, "restricted": True}),
        ("erasures", {"subject": subject}),
    ):
        answer = program.call(name, sent)
        assert (answer.status, answer.headers["content-type"]) == (
            status,
            "application/problem+json",
        )
        assert answer.headers["retry-after"] == "2"
    assert program.receipt(number).status == status


if __name__ == "__main__":
    main(Path(sys.argv[1]))
