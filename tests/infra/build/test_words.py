"""Whoever was born to a language reads every sentence of it once, and again where it changed."""

import json
import shutil
from pathlib import Path

import pytest
from babel.messages.pofile import read_po, write_po

from chalicelib.domain.languages import LANGUAGES
from infra.build.catalogs import ROOT, catalog_file
from infra.build.words import (
    SignOffError,
    Translation,
    main,
    read_sign_offs,
    sentences,
    sheet,
    sign,
    sign_off_file,
)

CONFIRM = "Confirm"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the catalogs, so that a test may change them."""
    shutil.copytree(ROOT / "locales", tmp_path / "locales")
    return tmp_path


def the_latvian(root: Path, english: str = CONFIRM) -> Translation:
    """Give a message as the sheet tells it in Latvian."""
    [found] = [
        each.translations[1]
        for each in sentences(["en", "lv"], root)
        if each.translations[0].forms[0][1] == english
    ]
    return found


def change(root: Path, words: str) -> None:
    """Translate a message otherwise."""
    path = catalog_file("lv", root)
    with path.open("rb") as file:
        catalog = read_po(file, locale="lv")
    catalog[CONFIRM].string = words
    with path.open("wb") as file:
        write_po(file, catalog)


def test_a_sign_off_tells_who_read_it_and_when(copied: Path) -> None:
    """Nobody reads again what a native has read."""
    sign("lv", "Anna Ozola", [the_latvian(copied).mark], "2026-11-30", copied)
    read = the_latvian(copied)
    assert (read.by, read.on) == ("Anna Ozola", "2026-11-30")
    assert f"{read.mark} Anna Ozola, 2026-11-30" in " ".join(sheet(["en", "lv"], copied).split())


def test_a_sign_off_is_lost_when_the_translation_changes(copied: Path) -> None:
    """What a native said of other words is not said of these, and is forgotten in time."""
    before = the_latvian(copied).mark
    sign("lv", "Anna Ozola", [before], "2026-11-30", copied)
    change(copied, "Piekrītu")
    assert not the_latvian(copied).by
    sign("lv", "Jānis Bērziņš", [the_latvian(copied).mark], "2026-12-01", copied)
    assert list(read_sign_offs(copied)["lv"]) == [the_latvian(copied).mark]


def test_what_changed_since_the_sheet_was_written_is_not_signed_off(copied: Path) -> None:
    """A reader signs off only what stood on the sheet."""
    before = the_latvian(copied).mark
    change(copied, "Piekrītu")
    kept = sign_off_file(copied).read_bytes()
    with pytest.raises(SignOffError, match=before):
        sign("lv", "Anna Ozola", [before], "2026-11-30", copied)
    assert sign_off_file(copied).read_bytes() == kept


def test_the_sheet_holds_every_sentence_with_its_numbers_and_places(copied: Path) -> None:
    """A reader sees what is filled in, which numbers a form is for, and which page it is on."""
    written = sheet(LANGUAGES, copied)
    told = list(sentences(LANGUAGES, copied))
    assert written.count("<td ") == len(told) * len(LANGUAGES)
    assert written.count("not signed off") == len(told) * len(LANGUAGES)
    [russian] = [
        each.translations[LANGUAGES.index("ru")]
        for each in told
        if each.placeholders == ("years",)
        and "I am" in str(each)
        and "The person said" not in str(each)
    ]
    assert [numbers for numbers, _ in russian.forms] == [
        "1, 21, 31, 41, 51, 61, …",
        "2, 3, 4, 22, 23, 24, …",
        "0, 5, 6, 7, 8, 9, …",
    ]


def test_every_mark_is_of_one_sentence() -> None:
    """A mark that is read aloud on the phone means one sentence of one language."""
    marks = [each.mark for part in sentences(LANGUAGES) for each in part.translations]
    assert len(set(marks)) == len(marks)


def test_sign_offs_are_of_languages_there_are_and_say_who_and_when() -> None:
    """The file that is reviewed with the code holds nothing else."""
    for lang, entries in json.loads(sign_off_file().read_text(encoding="utf-8")).items():
        assert lang in LANGUAGES
        assert all(entry.keys() == {"by", "on"} for entry in entries.values())


def test_a_command_that_cannot_be_meant_is_told_how_it_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name or a mark that was forgotten signs nothing off."""
    assert main(["sign", "lv", "Anna Ozola"]) == 2
    assert main(["xx"]) == 2
    assert "infra.build.words sign" in capsys.readouterr().out
    assert main(["sign", "lv", "Anna Ozola", "no mark"]) == 1
