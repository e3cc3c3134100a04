"""The press behind Lambda, where it cannot be asked; `tests/package` asks it in the bundle."""

import pytest

from chalicelib.domain.errors import PressUnavailableError
from chalicelib.portal import Portal, get_portal
from chalicelib.presentation.press import PressInProcess
from chalicelib.store.press_function import PressFunction
from infra.local.aws import aws_environment, ministack
from tests.cast import environment

SETTINGS = {"TABLE_NAME": "portal", "AWS_REGION": "eu-north-1"}


def _made(**settings: str) -> Portal:
    with environment({**SETTINGS, **settings}):
        return get_portal.__wrapped__()


def test_the_settings_say_which_press_sets_papers() -> None:
    """In AWS it is the function; a test needs no AWS to see a paper."""
    assert isinstance(_made().press, PressInProcess)
    assert isinstance(_made(PRESS_FUNCTION="press").press, PressFunction)


def test_a_press_that_is_not_there_or_does_not_answer_is_one_named_error() -> None:
    """Whoever wants a paper is told to try again, whatever it is that fails."""
    with (
        ministack() as url,
        environment(aws_environment(url)),
        pytest.raises(PressUnavailableError, match="ResourceNotFoundException"),
    ):
        _made(PRESS_FUNCTION="nowhere").press.pdf("notice", {})
    unreachable = "EndpointConnectionError|ConnectTimeoutError"
    with (
        environment(aws_environment(url)),
        pytest.raises(PressUnavailableError, match=unreachable),
    ):
        _made(PRESS_FUNCTION="press").press.pdf("notice", {})
