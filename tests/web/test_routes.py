"""The table of addresses: chalicelib/web/routes.py."""

import inspect
import re

import pytest

from chalicelib.web import routes
from tests.web.truth import DOCUMENT

DESK = {line: place.view for line, place in routes.STAFF.items()}
EVERY = {**routes.PAGES, **routes.API, **routes.STAFF_ENTRANCE, **DESK}


@pytest.mark.parametrize("line", EVERY)
def test_every_address_has_a_view_that_takes_its_variable_parts(line: str) -> None:
    """A view is loaded with its first request: a misspelled name must not wait for a patient to
    find it.
    """
    names = list(inspect.signature(routes.load(EVERY[line])).parameters)
    assert names[1:] == re.findall(r"\{(\w+)\}", line)


def test_what_works_from_anywhere_is_an_address() -> None:
    """The one exception to the rule against other websites' forms names something that exists."""
    assert routes.PAGES.keys() >= routes.FROM_ANYWHERE


@pytest.mark.parametrize("line", routes.API)
def test_a_view_of_the_api_has_the_name_of_its_operation(line: str) -> None:
    """Whoever reads the description, or uses a client made from it, finds the view by the name they
    know.
    """
    method, address = line.split()
    operation = DOCUMENT["paths"][address][method.lower()]["operationId"]
    words = re.sub(r"([A-Z])", r"_\1", operation).lower()
    assert routes.API[line].partition(":")[2] == words
