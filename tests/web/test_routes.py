"""The table of addresses: chalicelib/web/routes.py."""

import inspect
import re

import pytest

from chalicelib.web import routes

EVERY = {**routes.PAGES, **routes.API}


@pytest.mark.parametrize("line", EVERY)
def test_every_address_has_a_view_that_takes_its_variable_parts(line: str) -> None:
    """A view is loaded with its first request: a misspelled name must not wait for a patient to find it."""
    names = list(inspect.signature(routes.load(EVERY[line])).parameters)
    assert names[1:] == re.findall(r"\{(\w+)\}", line)


def test_what_works_from_anywhere_is_an_address() -> None:
    """The one exception to the rule against other websites' forms names something that exists."""
    assert routes.PAGES.keys() >= routes.FROM_ANYWHERE
