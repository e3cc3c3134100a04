import hashlib
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.notices.document import document_hash, read_clinic
from chalicelib.notices.edition import make_edition
from chalicelib.notices.workflow import PublishError, new_draft
from chalicelib.portal import Portal
from chalicelib.presentation.authorities import authorities
from chalicelib.store import publishing
from chalicelib.store.clinics import Clinics, UnknownClinicError, UnknownVersionError
from chalicelib.store.lookup import Directory
from tests.cast import IEVA, JURIS, RIGA, TBILISI, FixedKeys, publish_edition
from tests.factories import MORNING, NOON, a_document

PHYSIO = "liepaja-physio"
PAGE = "<!doctype html>\n<p>Vai drīkstam Jums rakstīt? გამარჯობა\r\n\u2028</p>\n"


def publish(
    portal: Portal, at: str = MORNING, *, notice: str = "<p>All of it</p>", **changed: Any
) -> bool:
    """Publish the small clinic, changed in one place."""
    ready = make_edition(a_document(**changed))
    ready = replace(ready, notices=dict.fromkeys(ready.clinic.languages, notice))
    return publish_edition(portal.table, portal.clinics, ready, at, wrapped_key=b"k" * 32)


def anew(portal: Portal) -> Clinics:
    """Give the clinics as another process sees them: nothing remembered."""
    return Clinics(portal.table, FixedKeys())


def test_a_published_clinic_is_read_back_as_its_file_describes_it(portal: Portal) -> None:
    """What the author wrote is what patients are asked."""
    assert anew(portal).version(RIGA, "1.0").languages == ("lv", "ru", "en")
    publish(portal)
    kept, written = anew(portal).version(PHYSIO, "1.0"), make_edition(a_document()).clinic
    assert kept._replace(since="", dates=written.dates) == written
    assert written.dates.items() <= kept.dates.items()
    assert portal.directory.look_up(PHYSIO).published.in_force.major_since == MORNING


def test_a_full_notice_of_thirty_kilobytes_a_language_is_kept_word_for_word_with_its_hash(
    portal: Portal,
) -> None:
    """The legal text a patient agreed to can be shown for ever."""
    long = "<p>Personas dati · პერსონალური მონაცემები</p>\n" * 1000
    publish(portal, notice=long)
    full = anew(portal).full_notice(PHYSIO, "1.0", "lv")
    assert full.html == long
    assert full.sha256 == hashlib.sha256(long.encode()).hexdigest()


def test_a_clinic_is_listed_once_however_many_versions_it_publishes(portal: Portal) -> None:
    """Whoever goes through all clinics comes to each, in order."""
    publish(portal)
    publish(portal, NOON, version="1.1")
    assert anew(portal).all() == [PHYSIO, RIGA, TBILISI]


def test_publishing_the_same_text_again_changes_nothing(portal: Portal) -> None:
    """The command can be run on every deployment."""
    assert publish(portal) is True
    assert publish(portal, NOON) is False
    assert portal.directory.look_up(PHYSIO).published.in_force.major_since == MORNING


def test_a_published_number_is_never_given_to_another_text(portal: Portal) -> None:
    """Version 1.0 on a receipt means one text for ever."""
    publish(portal)
    with pytest.raises(PublishError, match=r"'1\.0' is published with another text"):
        publish(portal, effective="2026-12-01")
    assert anew(portal).version(PHYSIO, "1.0").effective == "2026-11-01"


def test_the_number_never_goes_back(portal: Portal) -> None:
    """Nobody puts an older text in force by mistake, 1.10 being later than 1.9."""
    publish(portal)
    publish(portal, version="1.9")
    publish(portal, version="1.10")
    for back in ("1.9", "1.0"):
        with pytest.raises(PublishError, match="Raise the number"):
            publish(portal, version=back)
    assert portal.directory.look_up(PHYSIO).published.in_force.version == "1.10"


def test_earlier_versions_stay_readable(portal: Portal) -> None:
    """A patient finds the text of the day they decided."""
    publish(portal)
    publish(portal, version="2.0", effective="2027-01-01", notice="<p>New</p>")
    assert anew(portal).version(PHYSIO, "1.0").effective == "2026-11-01"
    assert anew(portal).full_notice(PHYSIO, "1.0", "en").html == "<p>All of it</p>"


def test_a_minor_change_keeps_the_day_its_major_began_and_a_major_one_begins_anew(
    portal: Portal,
) -> None:
    """Since when a consent is superseded can be told to the minute."""
    publish(portal)
    publish(portal, NOON, version="1.1")
    assert portal.directory.look_up(PHYSIO).published.in_force.major_since == MORNING
    publish(portal, NOON, version="2.0")
    assert portal.directory.look_up(PHYSIO).published.in_force.major_since == NOON


def test_a_code_on_printed_posters_belongs_to_one_clinic_for_ever(portal: Portal) -> None:
    """A poster never leads to another clinic."""
    with pytest.raises(PublishError, match="belongs to another clinic"):
        publish(portal, code="ra")
    publish(portal)
    with pytest.raises(PublishError, match="printed QR codes carry 'lp'"):
        publish(portal, version="1.1", code="lx")
    assert portal.clinics.by_code("lp") == PHYSIO
    assert portal.clinics.by_code("ra") == RIGA


def test_two_who_publish_at_once_do_not_overwrite_each_other(portal: Portal) -> None:
    """The second is told to look first."""
    publish(portal)
    late = make_edition(a_document(version="1.1", effective="2027-01-01"))
    draft = new_draft(late.document, PHYSIO, IEVA, MORNING).approve(JURIS, MORNING, authorities())
    assert publish(portal, version="1.2")
    with pytest.raises(PublishError, match="Raise the number"):
        publishing.publish(anew(portal), late, draft, IEVA, at=NOON)


def test_who_is_unknown_is_told_so(portal: Portal) -> None:
    """Unknown clinics, versions, languages and codes are 404, never a crash."""
    with pytest.raises(UnknownClinicError):
        portal.directory.look_up("nowhere-clinic")
    with pytest.raises(UnknownClinicError):
        portal.clinics.key("nowhere-clinic")
    with pytest.raises(UnknownClinicError):
        portal.clinics.by_code("zz")
    for version in ("9.9", "1.0#lv", ""):
        with pytest.raises(UnknownVersionError):
            portal.clinics.version(RIGA, version)
    with pytest.raises(UnknownVersionError):
        portal.clinics.full_notice(RIGA, "1.0", "ka")


def test_a_page_is_kept_byte_for_byte_under_its_hash(portal: Portal) -> None:
    """What a patient saw can be shown to a court, down to the line ends (GDPR Art. 7(1))."""
    sha256 = portal.clinics.keep_page(RIGA, PAGE)
    assert sha256 == hashlib.sha256(PAGE.encode()).hexdigest()
    assert anew(portal).kept_page(RIGA, sha256).encode() == PAGE.encode()
    assert anew(portal).keep_page(RIGA, PAGE) == sha256


def test_a_page_shown_by_one_clinic_is_not_the_other_clinics(portal: Portal) -> None:
    """Another clinic's things are not there."""
    sha256 = portal.clinics.keep_page(RIGA, PAGE)
    with pytest.raises(UnknownVersionError):
        portal.clinics.kept_page(TBILISI, sha256)


def test_keeping_a_page_costs_one_round_trip_and_after_that_none(
    portal: Portal, round_trips: list[str]
) -> None:
    """Proof costs a busy clinic nothing."""
    round_trips.clear()
    for _ in range(3):
        portal.clinics.keep_page(RIGA, PAGE)
    assert round_trips == ["PutItem"]


def test_a_clinics_key_is_unwrapped_once_and_differs_from_the_other_clinics(portal: Portal) -> None:
    """One clinic's key opens nothing of another's."""
    riga, tbilisi = portal.clinics.key(RIGA), portal.clinics.key(TBILISI)
    assert portal.clinics.key(RIGA) is riga
    assert riga.form_secret() != tbilisi.form_secret()


def test_each_published_version_carries_the_hash_of_its_whole_document(portal: Portal) -> None:
    """A text changed in the table is found out."""
    publish(portal)
    kept = anew(portal).version(PHYSIO, "1.0")
    assert kept.sha256 == document_hash(a_document())
    assert kept._replace(sha256="", dates={}, closes={}, since="") == read_clinic(a_document())


def test_throwaway_keys_leave_no_key_and_nothing_that_may_be_outdated(portal: Portal) -> None:
    """A snapshot of the process's memory serves for months: a clinic's key is read anew from KMS
    then, and what is in force from the table. What was read of a version stays.
    """
    clinics = anew(portal)
    directory = Directory(portal.table, clinics)
    with clinics.with_throwaway_keys():
        shown = directory.look_up(RIGA).published
        pretended = clinics.key(RIGA).form_secret()
    assert clinics.remembered(RIGA) is None
    assert clinics.key(RIGA).form_secret() == portal.clinics.key(RIGA).form_secret() != pretended
    assert directory.look_up(RIGA).published.clinic is shown.clinic
