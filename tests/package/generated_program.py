"""A clinic's program, written against the client that `openapi-python-client` generates; run by
that tool's Python.

Arguments: the folder of the generated package, the portal's address, a clinic and its bearer key,
the id of another clinic. It prints what it got as JSON.

What the generator leaves out is the call for a list in CSV, for it knows no body in CSV: the list
is sent by the generated client's own httpx client, which has the address and the key. A page of the
export may come as text too, so that it is given as text; the generated model reads it.
"""

import base64
import importlib
import json
import sys
import time

_, FOLDER, BASE_URL, CLINIC, KEY, OTHER_CLINIC = sys.argv
sys.path.insert(0, FOLDER)
REF = "generated-client"
EMAIL = "generated.client@example.org"
QUESTION = "newsletter.email"
PATIENCE_SECONDS = 120


def called(tag, operation):  # noqa: ANN001, ANN201 - what is generated has no types here
    """Give the module of one operation."""
    return importlib.import_module(f"portal_client.api.{tag}.{operation}")


models = importlib.import_module("portal_client.models")
types = importlib.import_module("portal_client.types")
portal_client = importlib.import_module("portal_client")
client = portal_client.AuthenticatedClient(BASE_URL, KEY, raise_on_unexpected_status=True)


NOT_YET = 409  # it is recorded, and not signed yet


def receipt_as(number, wanted):  # noqa: ANN001, ANN201 - as above
    """Get a receipt in a format, waiting for its signature."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = called("receipts", "get_receipt").sync_detailed(
            CLINIC, number, client=client, format_=models.ReceiptFormat(wanted)
        )
        if answer.status_code != NOT_YET or time.monotonic() > deadline:
            return answer
        time.sleep(0.5)


def scrubbed(clinic):  # noqa: ANN001, ANN201 - as above
    """Compare a list of two addresses with the consents."""
    return client.get_httpx_client().post(
        f"/v1/clinics/{clinic}/scrub",
        params={"purpose": QUESTION},
        headers={"Content-Type": "text/csv"},
        content=f"E-mail;Name\r\nnobody.asked@example.org;Nobody\r\n{EMAIL};Ģirts\r\n".encode(),
    )


def change_of(receipt):  # noqa: ANN001, ANN201 - as above
    """Read the changes until those of a receipt are there, some seconds after its signature."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    since = types.UNSET
    while time.monotonic() < deadline:
        page = called("feeds", "list_changes").sync(CLINIC, client=client, since=since)
        found = [each for each in page.changes if each.receipt_id == receipt]
        if found:
            return found
        since = page.cursor
        if not page.more:
            time.sleep(0.5)
    raise TimeoutError(receipt)


def exported():  # noqa: ANN201 - as above
    """Read all pages of the export, and give the contacts of the patient."""
    found, cursor = [], types.UNSET
    while True:
        answer = called("feeds", "export_contacts").sync(
            CLINIC, client=client, purpose=QUESTION, cursor=cursor
        )
        page = models.Export.from_dict(json.loads(answer))
        found += [each for each in page.contacts if each.email == EMAIL]
        cursor = page.cursor
        if cursor is types.UNSET:
            return found


def narrow_key(receipt):  # noqa: ANN001, ANN201 - as above
    """Make a key that may read receipts and nothing else, and try it."""
    wanted = {"label": "Archive", "kind": "program", "scopes": ["receipts:read"]}
    made = called("keys", "create_key").sync(
        CLINIC, client=client, body=models.NewKey.from_dict(wanted)
    )
    narrow = portal_client.AuthenticatedClient(BASE_URL, made.secret)
    read = called("receipts", "get_receipt").sync_detailed(CLINIC, receipt, client=narrow)
    asked = called("status", "get_status").sync_detailed(CLINIC, client=narrow, body=question)
    return {
        "scopes": [each.value for each in made.scopes],
        "read": int(read.status_code),
        "asked": int(asked.status_code),
        "title": asked.parsed.title,
    }


def elsewhere(receipt):  # noqa: ANN001, ANN201 - as above
    """Try the other clinic, whose the key is not."""
    answers = {
        "status": called("status", "get_status").sync_detailed(
            OTHER_CLINIC, client=client, body=question
        ),
        "scrub": scrubbed(OTHER_CLINIC),
        "changes": called("feeds", "list_changes").sync_detailed(OTHER_CLINIC, client=client),
        "keys": called("keys", "list_keys").sync_detailed(OTHER_CLINIC, client=client),
        "receipt": called("receipts", "get_receipt").sync_detailed(
            OTHER_CLINIC, receipt, client=client
        ),
    }
    return {name: int(answer.status_code) for name, answer in answers.items()}


def decided(answer):  # noqa: ANN001, ANN201 - as above
    """Give how the newsletter stands in an answer of `status`."""
    return answer.results[0].decisions[QUESTION].to_dict()


decision = {
    "subject": {"patient_ref": REF, "email": EMAIL},
    "decisions": {"testimonials.text": "yes", QUESTION: "yes"},
    "channel": "in-person",
    "effective_at": "2026-11-20T10:00:00Z",
    "evidence": {"witness": "Dr. Liepa"},
}
recorded = called("receipts", "record_decision").sync(
    CLINIC, client=client, body=models.StaffDecision.from_dict(decision)
)
formats = {}
for each in models.ReceiptFormat:
    answer = receipt_as(recorded.id, each.value)
    formats[each.value] = {
        "status": int(answer.status_code),
        "parsed": type(answer.parsed).__name__,
        "content": base64.b64encode(answer.content).decode(),
    }
question = models.StatusQuestion.from_dict(
    {"subjects": [{"patient_ref": REF}], "purposes": ["testimonials.text", QUESTION]}
)
status = called("status", "get_status").sync(CLINIC, client=client, body=question)
listed = scrubbed(CLINIC)
links = called("links", "create_links").sync(
    CLINIC,
    client=client,
    body=models.LinksRequest.from_dict({"links": [{"email": EMAIL, "purposes": [QUESTION]}]}),
)
changes = change_of(recorded.id)
contacts = exported()
narrow = narrow_key(recorded.id)
refused = elsewhere(recorded.id)
withdrawal = {key: value for key, value in decision.items() if key != "decisions"} | {"all": True}
withdrawn = called("receipts", "record_withdrawal").sync(
    CLINIC, client=client, body=models.StaffWithdrawal.from_dict(withdrawal)
)
after = called("status", "get_status").sync(CLINIC, client=client, body=question)
listed_after = scrubbed(CLINIC)
print(
    json.dumps(
        {
            "recorded": {"type": type(recorded).__name__, "id": recorded.id},
            "formats": formats,
            "status": status.to_dict(),
            "granted": decided(status),
            "scrubbed": {
                "rows": listed.content.decode(),
                "certificate": listed.headers["Consent-Certificate"],
            },
            "links": links.to_dict()["links"],
            "changes": [each.to_dict() for each in changes],
            "contacts": [each.to_dict() for each in contacts],
            "narrow": narrow,
            "refused": refused,
            "after": decided(after),
            "scrubbedAfter": {
                "rows": listed_after.content.decode(),
                "certificate": listed_after.headers["Consent-Certificate"],
            },
            "withdrawn": {"type": type(withdrawn).__name__, "version": withdrawn.version},
        }
    )
)
