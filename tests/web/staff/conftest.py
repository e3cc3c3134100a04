"""Tests of the desk: each stands before it as somebody of a role, on a table in memory."""

from collections.abc import Callable

import pytest

from chalicelib.domain.staff import Role
from tests.web.client import Program
from tests.web.running import RunningPortal, _at_home, client, portal, settled
from tests.web.staff.desk_client import DeskClient, sign_in

__all__ = ["_at_home", "client", "portal", "settled"]

SignIn = Callable[..., DeskClient]


@pytest.fixture
def desk_client(portal: RunningPortal) -> SignIn:
    """Give what signs somebody of a role in to a clinic's desk: ``desk_client(program, "reader")``."""

    def signed_in(
        clinic: Program | str, role: Role | str = Role.RECEPTION, name: str = "Ilze Kalniņa"
    ) -> DeskClient:
        of = clinic if isinstance(clinic, str) else clinic.clinic
        return sign_in(portal.in_process, of, Role(role), name)

    return signed_in
