"""What `make run` does before it says that the portal runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.run import STARTS, NotRunningError, chosen_signing, require_page
from infra.local.server import Reply, Request
from tests.cast import environment


class Answers:
    """The server in front of the portal, with the statuses it answers, one after the other."""

    def __init__(self, *statuses: int) -> None:
        self.left: Iterator[int] = iter(statuses)
        self.asked = 0

    def __call__(self, request: Request) -> Reply:
        """Answer the next status to the first page."""
        assert (request.method, request.path) == ("GET", "/api/riga")
        self.asked += 1
        return Reply(next(self.left))


def test_a_busy_machine_gets_the_time_to_start_the_function(tmp_path: Path) -> None:
    """Starting takes longer there than the gateway waits for an answer; then the page comes."""
    front = Answers(504, 504, 200)
    require_page(front, "/api/riga", tmp_path)
    assert front.asked == 3


def test_where_receipts_are_signed_is_chosen_by_a_variable_and_a_misspelled_one_is_told() -> None:
    """`SIGNING=wrapped make run` tries the other way; nobody tries what they did not mean."""
    assert chosen_signing() == "kms"
    with environment({"SIGNING": "wrapped"}):
        assert chosen_signing() == "wrapped"
    with environment({"SIGNING": "wraped"}), pytest.raises(NotRunningError, match="kms or wrapped"):
        chosen_signing()


@pytest.mark.parametrize(("statuses", "asked"), [([504] * STARTS, STARTS), ([500, 200], 1)])
def test_a_page_that_does_not_come_is_told_with_where_to_look(
    tmp_path: Path, statuses: list[int], asked: int
) -> None:
    """What cannot work ends, and names the log that says why."""
    front = Answers(*statuses)
    with pytest.raises(NotRunningError, match=f"{statuses[0]} instead of its page.*portal.log"):
        require_page(front, "/api/riga", tmp_path)
    assert front.asked == asked
