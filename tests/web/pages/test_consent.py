"""The consent page opens in the patient's language, wherever the portal stands, and keeps to
itself.
"""

import pytest

from tests.cast import RIGA, TBILISI
from tests.web.client import MOUNTS, Client
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal

KAUNAS = "kaunas-polyclinics"


@pytest.mark.parametrize(
    ("clinic", "query", "accept", "lang"),
    [
        (RIGA, "", None, "lv"),
        (RIGA, "", "", "lv"),
        (RIGA, "", "de-DE,de;q=0.9", "lv"),
        (RIGA, "", "*", "lv"),
        (RIGA, "", "ru", "ru"),
        (RIGA, "", "ru-LV, en;q=0.8", "ru"),
        (RIGA, "", "lv;q=0.2, en;q=0.7, ru;q=0.3", "en"),
        (RIGA, "", "en;q=0, ru;q=0.1", "ru"),
        (RIGA, "", "en;q=nonsense, ru;q=0.1", "ru"),
        (RIGA, "", "EN-gb", "en"),
        (RIGA, "?lang=ru", "en", "ru"),
        (RIGA, "?lang=ka", "en", "en"),
        (RIGA, "?lang=%00", "en", "en"),
        (RIGA, "?lang=lv&lang=ru", None, "ru"),
        (TBILISI, "", None, "ka"),
        (TBILISI, "", "lt, ka;q=0.5", "ka"),
        (KAUNAS, "?lang=en", "lt", "en"),
    ],
)
def test_the_page_speaks_the_language_the_patient_wants_most(
    client: Client, clinic: str, query: str, accept: str | None, lang: str
) -> None:
    """The link's language first, then the browser's by its weights, then the clinic's own."""
    answer = client.get(f"/{clinic}{query}", {} if accept is None else {"Accept-Language": accept})
    assert Page(answer).lang == lang


def test_every_clinic_offers_its_languages_by_their_own_names(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody has to read a foreign word to find their own language."""
    for clinic in portal.api_keys:
        page = open_page(client, f"/{clinic}")
        offered = {
            link.removeprefix("?lang=")[:2] for link in page.links if link.startswith("?lang=")
        }
        for lang in offered:
            assert open_page(client, f"/{clinic}?lang={lang}").lang == lang


def test_the_switcher_keeps_the_source_and_the_code_scanned(client: Client) -> None:
    """Changing the language loses nothing of where the patient came from."""
    page = open_page(client, f"/{RIGA}?lang=lv&src=desk&via=qr")
    assert "?lang=en&src=desk&via=qr" in page.links


def test_nothing_is_chosen_and_nothing_written_in_advance(
    client: Client, portal: RunningPortal
) -> None:
    """A Yes is the patient's own (GDPR Recital 32)."""
    for clinic in portal.api_keys:
        assert set(open_page(client, f"/{clinic}").fields) == {"state"}
        page = open_page(client, f"/{clinic}?view=all")
        assert page.chosen == []
        assert {value for name, value in page.fields.items() if name != "state"} == {""}


def test_looking_at_pages_stores_nothing_about_anybody(
    client: Client, portal: RunningPortal
) -> None:
    """GET changes nothing but keeps the evidence of what is shown."""
    clinic = portal.open_clinic().clinic
    before = portal.items()
    for target in (
        f"/{clinic}?src=desk",
        f"/{clinic}/withdraw",
        f"/{clinic}/notices/1.0",
        f"/{clinic}/qr/signup.png",
    ):
        assert client.get(target).status == 200
    new = portal.items() - before
    assert new
    assert {sk for _, sk in new} == {"SHOWN"}


@pytest.mark.parametrize("mount", MOUNTS)
def test_every_link_and_redirect_stays_where_the_portal_stands(
    portal: RunningPortal, mount: str
) -> None:
    """The portal works under its stage, under a domain of its own and under a base path of
    another.
    """
    client = Client(MOUNTS[mount])
    clinic = portal.open_clinic().clinic
    answer = decide(
        client,
        clinic,
        {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"},
        "?lang=en",
    )
    assert answer.location.startswith(f"{client.mount}/{clinic}/receipts/")
    number = receipt_number(answer)
    pages = ("", "/withdraw", "/notices/1.0", f"/receipts/{number}")
    visited = set()
    for target in pages:
        page = open_page(client, f"/{clinic}{target}?lang=en")
        assert "script" not in page.tags
        for link in page.links:
            assert link.startswith(
                (
                    "#",
                    "?lang=",
                    "mailto:",
                    "tel:+",
                    f"{client.mount}/{clinic}",
                    f"{client.mount}/verify?",
                )
            )
            if link.startswith("/"):
                visited.add(link.removeprefix(client.mount))
    assert len(visited) >= 4
    for target in visited:
        assert client.get(target).status == 200
    code = client.get(f"/q/{clinic.removeprefix('clinic-')}-s-en-desk")
    assert code.location == f"{client.mount}/{clinic}?lang=en&src=desk&via=qr"
    assert client.follow(code).status == 200


def test_nothing_of_one_visit_is_on_the_page_of_the_next(client: Client) -> None:
    """The page is made once for everybody: each gets a form of their own, and the way they came."""
    answers = [client.get(f"/{RIGA}?lang=en{way}") for way in ("&src=poster", "", "&via=qr")]
    states = {Page(answer).fields["state"] for answer in answers}
    assert len(states) == 3
    assert ["src=poster" in answer.text for answer in answers] == [True, False, False]
    assert ["via=qr" in answer.text for answer in answers] == [False, False, True]


def test_the_page_as_shown_can_be_kept_for_ever_and_can_do_nothing(client: Client) -> None:
    """What proves a consent is served byte for byte, and its form leads nowhere."""
    answer = decide(client, RIGA, {"decision.newsletter.email": "no"}, "?lang=ru")
    shown = next(
        link for link in Page(client.follow(answer)).links if "/shown/" in link
    ).removeprefix(client.mount)
    kept = client.get(shown)
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "sandbox" in kept.headers["content-security-policy"]
    assert Page(kept).lang == "ru"
    assert Page(kept).fields["state"] == ""


def test_the_full_notice_is_there_in_each_language_and_for_every_version(
    client: Client, portal: RunningPortal
) -> None:
    """What was in force when somebody agreed can be read for ever."""
    clinic = portal.open_clinic().clinic
    portal.republish(
        clinic, "1.1", lambda document: document["texts"]["intro"].update(en="Welcome again!")
    )
    for lang in ("lv", "ru", "en"):
        old, new = (
            open_page(client, f"/{clinic}/notices/{version}?lang={lang}")
            for version in ("1.0", "1.1")
        )
        assert old.lang == new.lang == lang
        assert f"{client.mount}/{clinic}/notices/1.1?lang={lang}" in old.links
        assert f"{client.mount}/{clinic}/notices/1.1?lang={lang}" not in new.links
