from email import message_from_string

import pytest

from chalicelib.domain.contacts import ContactKind, InvalidContactError, normalise
from chalicelib.domain.one_line import is_one_line, one_line
from chalicelib.messages.transports import AwsTransport, Email
from chalicelib.notices.document import InvalidDocumentError, read_clinic
from chalicelib.services.data_export import harmless
from chalicelib.store.aws import AwsClients
from chalicelib.web.forms import read_consent
from tests.factories import EVENING, a_document, in_both

BREAKS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028", "\u2029", "\x1b", "\x7f"]


@pytest.mark.parametrize("broken", BREAKS)
def test_a_line_holds_no_break_of_any_kind(broken: str) -> None:
    """What comes after a break in a header would be another header."""
    assert one_line(f" Anna{broken}Bcc: all@example.org ") == "Anna Bcc: all@example.org"
    assert not is_one_line(f"Anna{broken}Ozola")


@pytest.mark.parametrize("plain", ["Anna Ozola", "გიორგი ბერიძე", "Žanete O’Brien-Šmite", "أنا"])
def test_a_name_of_any_script_stays_as_it_is(plain: str) -> None:
    """Only breaks and control characters go."""
    assert one_line(plain) == plain
    assert is_one_line(plain)


@pytest.mark.parametrize("broken", BREAKS)
def test_a_typed_name_becomes_one_line_and_a_typed_contact_is_refused(broken: str) -> None:
    """What a stranger types reaches no header as more than one line."""
    fields = {"decision.research": ["no"], "name": [f"Anna{broken}Subject: hello"]}
    assert read_consent(read_clinic(a_document()), fields, EVENING).name == "Anna Subject: hello"
    for kind, typed in (
        (ContactKind.EMAIL, f"anna{broken}x@example.org"),
        (ContactKind.REFERENCE, f"P{broken}1"),
    ):
        with pytest.raises(InvalidContactError):
            normalise(kind, typed, "LV")


@pytest.mark.parametrize("broken", BREAKS[:3])
def test_a_clinics_name_and_addresses_are_of_one_line(broken: str) -> None:
    """A clinic's file cannot add headers to its patients' mails.

    Its author is told where to look.
    """
    for changed in (
        {"name": in_both(f"Physio{broken}Bcc: all@example.org")},
        {"dpo": {"email": f"dpo@example.org{broken}Bcc: all@example.org"}},
    ):
        with pytest.raises(InvalidDocumentError, match="Write it in one line"):
            read_clinic(a_document(**changed))


class Taking(AwsClients):
    """AWS whose services keep what they are asked."""

    def __init__(self) -> None:
        super().__init__(None, "eu-north-1")
        self.requests: list[dict[str, object]] = []

    def client(self, service: str) -> "Taking":  # noqa: ARG002 - one for every service
        """Be the client."""
        return self

    def send_email(self, **request: object) -> dict[str, str]:
        """Keep it."""
        self.requests.append(request)
        return {"MessageId": "1"}


def test_no_header_of_a_mail_is_broken_whatever_a_letter_holds() -> None:
    """The transport checks it again, for texts that were published or stored long ago."""
    broken = "x\r\nBcc: all@example.org"
    aws = Taking()
    headers = {"List-Unsubscribe": f"<https://example.org/{broken}>"}
    mail = Email(broken, broken, "text", "html", headers, {"clinic": "riga"}, broken, broken)
    AwsTransport(aws, mail_from="consent@example.org").send(mail)
    [request] = aws.requests
    simple = request["Content"]["Simple"]  # type: ignore[index]
    values = [
        request["FromEmailAddress"],
        *request["ReplyToAddresses"],
        *request["Destination"]["ToAddresses"],
    ]  # type: ignore[index, misc]
    values += [simple["Subject"]["Data"], *(each["Value"] for each in simple["Headers"])]
    for value in values:
        assert "Bcc" in str(value)
        assert "Bcc" not in message_from_string(f"From: {value}\n\n")
        assert is_one_line(str(value))


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+37126123456", "'+37126123456"),
        ("Anna;=1+1", "Anna;'=1+1"),
        ("Anna\t=1+1", "Anna\t'=1+1"),
        ("Anna\r\n@SUM(A1)", "Anna\r\n'@SUM(A1)"),
        ("Anna; +1", "Anna;' +1"),
        (" =1+1", "' =1+1"),
        ("a;-1;=2", "a;'-1;'=2"),
        ("Anna;＝1", "Anna;'＝1"),
        ('Anna";=1+1', "Anna\";'=1+1"),
        ("\tAnna", "'\tAnna"),
        ("Anna Ozola; 2016-03-27 = 7", "Anna Ozola; 2016-03-27 = 7"),
        ("https://example.org/?a=b;c=d", "https://example.org/?a=b;c=d"),
        ("", ""),
    ],
)
def test_no_part_of_a_cell_is_a_formula(cell: str, written: str) -> None:
    """A spreadsheet that splits at semicolons or tabs runs no formula that was typed as a name."""
    assert harmless(cell) == written
