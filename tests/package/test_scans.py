"""A scan on the deployed stack: through API Gateway into its bucket and out again, at full size."""

import re
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.scans import MAX_SCAN
from chalicelib.domain.staff import Role
from chalicelib.services.subject_rights import erase
from chalicelib.web.staff.entrance import SESSION_COOKIE
from infra.local.run import STACK
from tests.cast import RIGA, environment
from tests.conftest import LocalStack
from tests.package.test_erasing import strike
from tests.package.test_signing import client
from tests.web.staff.desk_client import sign_in

pytestmark = pytest.mark.bundle

LARGEST = b"\xff\xd8\xff\xe0" + bytes(MAX_SCAN - 4)
EMAIL = "scanned.patient@example.org"
BOUNDARY = "a-boundary-of-the-test"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Stay where it is."""


def ask(
    stack: LocalStack, secret: str, path: str, sent: bytes | None = None, kind: str = ""
) -> tuple[int, bytes, str]:
    """Ask the desk as somebody signed in; give status, body and where it leads."""
    headers = {"Cookie": f"{SESSION_COOKIE}={secret}"} | ({"Content-Type": kind} if kind else {})
    request = urllib.request.Request(f"{stack.base_url}/staff/{path}", sent, headers)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request) as answer:
            return answer.status, answer.read(), ""
    except urllib.error.HTTPError as error:
        return error.code, error.read(), str(error.headers.get("Location", ""))


def token(page: bytes) -> str:
    """Give the token of the page's own form."""
    found = re.search(r'name="state" value="([^"]+)"', page.decode().partition("<main")[2])
    assert found
    return found[1]


def test_the_largest_scan_goes_in_comes_out_and_is_gone_after_an_erasure(
    local_stack: LocalStack,
) -> None:
    """Each function's rights are enough, and 4 MB fit into what Lambda takes and gives."""
    here = local_stack.in_process
    with environment(local_stack.settings):
        secret = sign_in(here, RIGA, Role.RECEPTION).secret
        _, page, _ = ask(local_stack, secret, "batches")
        begun = {"state": token(page), "when": "day", "day": "2026-11-20", "first_number": "S-1"}
        form = "application/x-www-form-urlencoded"
        sent = urlencode({**begun, "form_lang": "lv"}).encode()
        status, _, where = ask(local_stack, secret, "batches", sent, form)
        assert status == 303
        pile = where.partition("/staff/")[2]
        _, page, _ = ask(local_stack, secret, pile)
        fields = {"state": token(page), "form": "S-1", "decision.newsletter.email": "no"}
        fields |= {"email": EMAIL, "email_again": EMAIL}
        named = 'Content-Disposition: form-data; name="{}"'
        parts = [f"{named.format(name)}\r\n\r\n{fields[name]}".encode() for name in fields]
        parts.append(f'{named.format("scan")}; filename="x"\r\n\r\n'.encode() + LARGEST)
        body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts)
        body += f"--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        status, told, _ = ask(local_stack, secret, pile, body, kind)
        assert status == 303, told
        _, page, _ = ask(local_stack, secret, pile)
        place = re.search(r"/staff/(people/\w+/scans/\w+)", page.decode())
        assert place
        assert ask(local_stack, secret, place[1])[:2] == (200, LARGEST)

        contact = Contact(ContactKind.EMAIL, EMAIL)
        [person] = here.directory.look_up(RIGA, [contact]).known()
        assert len(lying_in(local_stack, person.id)) == 1
        erase(here, RIGA, person.id, "key_1", here.clock())
        assert ask(local_stack, secret, place[1])[0] == 404
        strike(local_stack, "CatchUp")
        assert lying_in(local_stack, person.id) == []


def lying_in(stack: LocalStack, subject: str) -> list[str]:
    """Give the files of a person that lie in the stack's bucket of scans."""
    found = client(stack, "cloudformation").describe_stack_resources(StackName=STACK)
    [bucket] = [
        each["PhysicalResourceId"]
        for each in found["StackResources"]
        if each["LogicalResourceId"] == "Scans"
    ]
    listed = client(stack, "s3").list_objects_v2(Bucket=bucket, Prefix=f"{RIGA}/{subject}/")
    return [each["Key"] for each in listed.get("Contents", [])]
