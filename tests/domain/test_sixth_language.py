"""A new language is one line in `domain/languages.py` and a catalog, tried in a copy."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.languages import LANGUAGES
from infra.build.bundle import ROOT

LINE = '        Language("fo", "Føroyskt", "FO"),\n'
BEFORE = '        Language("en", "English", "GB"),\n'

# Run inside the copy: what a visitor who reads Faroese gets, and what the build takes along for
# them.
VISIT = """
import json
from chalicelib.notices.edition import make_edition
from chalicelib.services.draft_preview import draft_page
from infra.build.dependencies import locales
from infra.build.openapi import build
from tests.factories import NOON, a_document
from tests.web.client import Client

def with_faroese(value):
    if isinstance(value, dict) and value.keys() == {"lv", "en"}:
        return {**value, "fo": "Á føroyskum"}
    if isinstance(value, dict):
        return {name: with_faroese(part) for name, part in value.items()}
    return [with_faroese(part) for part in value] if isinstance(value, list) else value

client = Client()
document = with_faroese(a_document())
document["languages"].append("fo")
print(json.dumps({
    "home": client.get("/", {"Accept-Language": "fo"}).text,
    "latvian_home": client.get("/?lang=lv").text,
    "nowhere": client.get("/a/b/c?lang=fo").text,
    "clinic": draft_page(make_edition(document), "fo", NOON, addresses=dict.fromkeys(document["languages"], "")),
    "locales": sorted(locales()),
    "described": build()["components"]["schemas"]["Language"]["enum"],
}))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the portal and add Faroese: the line, and a catalog with one translation."""
    copy = tmp_path_factory.mktemp("portal")
    for name in (
        ".chalice",
        "chalicelib",
        "templates",
        "locales",
        "infra",
        "tests",
        "docs/openapi",
    ):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", copy)
    languages = copy / "chalicelib/domain/languages.py"
    written = languages.read_text(encoding="utf-8")
    assert BEFORE in written
    languages.write_text(written.replace(BEFORE, LINE + BEFORE), encoding="utf-8")
    shutil.copytree(copy / "locales/en", copy / "locales/fo")
    (copy / "locales/fo/LC_MESSAGES/messages.mo").unlink(missing_ok=True)
    catalog = copy / "locales/fo/LC_MESSAGES/messages.po"
    english = catalog.read_text(encoding="utf-8")
    catalog.write_text(
        english.replace('msgstr "Page not found"', 'msgstr "Síðan varð ikki funnin"'),
        encoding="utf-8",
    )
    return copy


def run(folder: Path, *arguments: str) -> str:
    """Run Python inside a folder and give what it writes."""
    settings = {
        **os.environ,
        "TABLE_NAME": "portal",
        "AWS_REGION": "eu-north-1",
    }  # no page here reads the table
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def visited(copied: Path) -> dict[str, Any]:
    """Compile the catalogs of the copy and visit it."""
    run(copied, "-c", "from infra.build.catalogs import compile_stale; compile_stale()")
    pages: dict[str, Any] = json.loads(
        run(copied, "-c", VISIT).splitlines()[-1]
    )  # above it, the log
    return pages


def test_the_catalogs_are_complete_with_the_new_one(copied: Path) -> None:
    """`make check` asks for nothing more, and for every text of the new language."""
    assert "complete" in run(copied, "-m", "infra.build.catalogs", "check")


def test_the_portals_own_pages_are_in_the_new_language(visited: dict[str, Any]) -> None:
    """Who prefers Faroese reads Faroese, and everybody else finds it under its own name."""
    assert '<html lang="fo"' in visited["home"]
    assert "Síðan varð ikki funnin" in visited["nowhere"]
    assert 'lang="fo"' in visited["latvian_home"]
    assert "Føroyskt" in visited["latvian_home"]


def test_a_clinic_may_speak_the_new_language(visited: dict[str, Any]) -> None:
    """Its page is complete: the clinic's texts, dates, and the authority under its native name."""
    page = visited["clinic"]
    assert '<html lang="fo"' in page
    assert "Á føroyskum" in page
    assert "1. november 2026" in page
    assert "Datu valsts inspekcija" in page


def test_the_bundle_takes_along_what_dates_need(visited: dict[str, Any]) -> None:
    """The first date in the new language is not the first fault."""
    assert {"fo", "fo_FO"} <= set(visited["locales"])


def test_the_apis_description_names_the_new_language(visited: dict[str, Any]) -> None:
    """What is generated from it takes Faroese for a language, too."""
    place = LANGUAGES.index("en")
    assert visited["described"] == [*LANGUAGES[:place], "fo", *LANGUAGES[place:]]
