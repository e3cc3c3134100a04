import ast
from pathlib import Path

import pytest
from botocore.handlers import BUILTIN_HANDLERS
from botocore.session import get_session

from chalicelib.store.aws import SERVICES, AwsClients, concerns_us, make_session

ROOT = Path(__file__).resolve().parents[2]


STAGES = sorted({each[0].split(".")[0] for each in BUILTIN_HANDLERS})
"""What a session's events begin with, such as before-call."""


@pytest.mark.parametrize("service", sorted(SERVICES))
@pytest.mark.parametrize("stage", [each for each in STAGES if each != "docs"])
def test_a_session_handles_the_events_of_our_services_as_botocores_own_does(
    stage: str, service: str
) -> None:
    """A session without S3's handlers is no other to the table, to keys, mail, texts and queues."""
    event = f"{stage}.{service}.AnyOperation"
    ours, botocores = (
        each.get_component("event_emitter")._emitter._handlers.prefix_search(event)  # noqa: SLF001 - botocore shows no other sign
        for each in (make_session(), get_session())
    )
    names = [sorted(handler.__qualname__ for handler in each) for each in (ours, botocores)]
    assert names[0] == names[1]


def test_no_handler_of_ours_wants_to_be_the_first_or_the_last() -> None:
    """`make_session` registers handlers one way: what botocore registers otherwise is not ours."""
    assert [each[0] for each in BUILTIN_HANDLERS if concerns_us(each[0]) and len(each) > 2] == []


def test_a_transaction_sent_again_is_known_by_its_token() -> None:
    """Botocore gives each transaction a token (idempotency): a retry writes nothing twice."""
    session = make_session()
    session.set_credentials("nobody", "nothing")
    client = session.create_client("dynamodb", region_name="eu-north-1")
    sent = []

    def instead_of_sending(request: object, **_: object) -> None:
        sent.append(request.body)
        raise InterruptedError

    client.meta.events.register("before-send.dynamodb", instead_of_sending)
    key = {"pk": {"S": "a"}}
    with pytest.raises(InterruptedError):
        client.transact_write_items(TransactItems=[{"Delete": {"TableName": "t", "Key": key}}])
    assert b'"ClientRequestToken"' in sent[0]


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
                if not isinstance(node, ast.Attribute) or ast.unparse(node) == "requests.Session":
                    continue
                if node.attr in {"Session", "create_client", "get_session"}:
                    making[str(path.relative_to(ROOT))] = node.attr
    assert making == {
        "chalicelib/store/aws.py": "create_client",
        "chalicelib/store/encryption.py": "create_client",
        "chalicelib/store/table.py": "create_client",
        "infra/operator/deploy.py": "Session",
    }
