"""The clinic's settings at the desk: shown from its document, to whom each part is for."""

import pytest

from chalicelib.domain.staff import Role, scopes_of
from chalicelib.web.routes import STAFF
from tests.cast import TBILISI
from tests.web.client import Client
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn

PARTS = ("webhooks", "keys", "tablets", "posters")


def test_the_clinic_is_shown_as_patients_see_it(desk_client: SignIn, portal: RunningPortal) -> None:
    """Colours with their contrast, who is responsible, who receives data, each version's notice."""
    for clinic in portal.api_keys:
        desk = desk_client(clinic, "administrator")
        page = desk.open("settings")
        shown = portal.in_process.directory.look_up(clinic).published
        for each in shown.clinic.controllers:
            assert each.name in page.words
        assert shown.clinic.brand.fill in page.words
        assert ": 1" in page.words
        version = f"{desk.mount}/{clinic}/notices/{shown.clinic.version}?lang="
        [link] = [link for link in page.links if link.startswith(version)]
        assert desk.get(link.removeprefix(desk.mount)).status == 200


@pytest.mark.parametrize("role", Role)
def test_each_role_finds_the_parts_it_may_open_and_no_other(
    desk_client: SignIn, portal: RunningPortal, role: Role
) -> None:
    """Nobody is led to a page that refuses them, and what is not shown is refused."""
    desk = desk_client(portal.open_clinic(), role)
    links = desk.open("settings").links
    for part in PARTS:
        may = bool({*STAFF[f"GET /staff/settings/{part}"].scopes} & {*scopes_of(role)})
        assert (f"{desk.mount}/staff/settings/{part}" in links) == may
        assert desk.get(f"/staff/settings/{part}").status == (200 if may else 403)
    assert Client().get("/staff/settings").status == 303


def test_posters_lead_to_the_papers_for_a_place(desk_client: SignIn, portal: RunningPortal) -> None:
    """The receptionist prints what hangs at the desk, in two languages, by two clicks."""
    clinic = portal.open_clinic().clinic
    desk = desk_client(clinic)
    page = desk.open("settings/posters?languages=lv&languages=en&size=a5&src=Desk-2")
    papers = [link for link in page.links if f"/{clinic}/qr/" in link]
    assert len(papers) == 6
    assert f"{desk.mount}/{clinic}/qr/signup.pdf?lang=lv,en&src=desk-2&size=a5" in papers
    assert f"{desk.mount}/{clinic}/qr/screen.svg?lang=lv,en&src=desk-2" in papers
    slide = next(link for link in papers if "screen" in link)
    assert desk.get(slide.removeprefix(desk.mount)).status == 200
    assert page.chosen == [("languages", "lv"), ("languages", "en")]
    assert page.tags.count("figure") == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("src=Reception+desk", "#src"),
        ("src=%D0%BA%D0%B0%D0%B1%D0%B8%D0%BD%D0%B5%D1%82", "#src"),
        ("src=" + "x" * 33, "#src"),
        ("src=%22%3E%3Cscript%3E", "#src"),
    ],
)
def test_a_place_that_no_receipt_could_name_is_told_at_its_field(
    desk_client: SignIn, query: str, field: str
) -> None:
    """What was typed stays, and nothing is printed with another place."""
    answer = desk_client(TBILISI).get(f"/staff/settings/posters?{query}")
    page = Page(answer)
    assert (answer.status, page.faults) == (422, [field])
    assert page.fields["src"]
    assert "<script" not in answer.text
    assert not [link for link in page.links if "/qr/" in link and "src=" in link]
