import ast
from pathlib import Path

from botocore.session import get_session

from chalicelib.store.aws import AwsClients

ROOT = Path(__file__).resolve().parents[2]


def test_clients_share_one_session_and_are_made_once() -> None:
    """A function that mails, texts and signs looks for its credentials once."""
    session = get_session()
    session.set_credentials("nobody", "nothing")
    aws = AwsClients(session, "eu-north-1")
    mail, text = aws.client("sesv2"), aws.client("sns")
    assert aws.client("sesv2") is mail
    assert mail.meta.region_name == text.meta.region_name == "eu-north-1"
    assert mail._request_signer._credentials is text._request_signer._credentials  # noqa: SLF001 - botocore shows no other sign


def test_a_message_is_sent_once_and_a_signature_is_asked_for_again() -> None:
    """A mail whose answer was lost does not reach its reader twice; a signature may be made
    twice.
    """
    session = get_session()
    session.set_credentials("nobody", "nothing")
    aws = AwsClients(session, "eu-north-1")
    tries = {
        name: aws.client(name).meta.config.retries["total_max_attempts"]
        for name in ("sesv2", "sns", "kms")
    }
    assert tries == {"sesv2": 1, "sns": 1, "kms": 3}


def test_aws_is_reached_in_one_place_for_the_functions_and_one_for_the_operator() -> None:
    """Whoever changes how AWS is reached reads three modules: the table's, the page's key service,
    and boto3's.
    """
    making = {}
    for folder in ("chalicelib", "infra"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in {
                    "Session",
                    "create_client",
                    "get_session",
                }:
                    making[str(path.relative_to(ROOT))] = node.attr
    assert making == {
        "chalicelib/store/aws.py": "Session",
        "chalicelib/store/encryption.py": "create_client",
        "infra/operator/deploy.py": "Session",
    }
