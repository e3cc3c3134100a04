"""A clinic's document: read part by part, every mistake named with its place and remedy.

The document is JSON shapes, as a clinic's YAML file or the API holds them (docs/clinics.md).
`read_clinic` gives it as a `Clinic`; `check` is what approving and publishing ask for. Controllers
and purposes are read in the modules of that name.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rfc8785

from chalicelib.domain.brand import NO_BRAND, Brand
from chalicelib.domain.clinic import (
    IMPORTED_YES,
    LIST_VALID_HOURS,
    PROOF_KEPT,
    PROVEN_COUNTS,
    Clinic,
    Purpose,
    Question,
    Text,
)
from chalicelib.domain.consent import CONFIRM_WITHIN
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant, is_ending
from chalicelib.domain.languages import LANGUAGES
from chalicelib.notices.controllers import CONTROLLER_KEYS, ID, read_controllers, read_dpo
from chalicelib.notices.duties import duty_on
from chalicelib.notices.fields import DocumentError, FieldReader
from chalicelib.notices.purposes import (
    OPTION_KEYS,
    PROCESSING_KEYS,
    PURPOSE_KEYS,
    questions_of,
    read_purposes,
    read_without_consent,
)

MAX_LIST_HOURS = 168
"""A week: consents that were compared longer ago say nothing of today's."""

COUNTRIES = ("LV", "LT", "GE")

TEXTS = ("intro", "required", "recipients", "transfers", "retention", "rights", "automated")
"""The texts of GDPR Art. 13 that belong to the clinic as a whole."""

KEYS = {
    "the clinic": "id code version effective country authority languages name controllers dpo "
    "has_dpo patients_per_year age texts purposes without_consent notice confirm_within proof_kept "
    "list_valid_hours sms_countries imported_yes brand look_up_reasons",
    "texts": " ".join(TEXTS),
    "a purpose": PURPOSE_KEYS,
    "an option": OPTION_KEYS,
    "an entry of without_consent": PROCESSING_KEYS,
    "a controller": CONTROLLER_KEYS,
    "age": "minimum guardian",
    "brand": "colour logo",
    "brand.logo": "media_type content",
}
"""The keys that each part of a document may have."""

ARTICLES = {
    "name": "GDPR Art. 13(1)(a)",
    "controllers": "GDPR Art. 13(1)(a)",
    "dpo": "GDPR Art. 13(1)(b)",
    "purposes": "GDPR Art. 13(1)(c)",
    "purposes.data": "EDPB 05/2020, 64",
    "purposes.recipients": "GDPR Art. 13(1)(e)",
    "purposes.retention": "GDPR Art. 13(2)(a)",
    "without_consent": "GDPR Art. 13(1)(c)",
    "without_consent.interest": "GDPR Art. 13(1)(d)",
    "without_consent.recipients": "GDPR Art. 13(1)(e)",
    "without_consent.retention": "GDPR Art. 13(2)(a)",
    "texts.recipients": "GDPR Art. 13(1)(e)",
    "texts.transfers": "GDPR Art. 13(1)(f)",
    "texts.retention": "GDPR Art. 13(2)(a)",
    "texts.rights": "GDPR Art. 13(2)(b)",
    "texts.required": "GDPR Art. 13(2)(e)",
    "texts.automated": "GDPR Art. 13(2)(f)",
    "authority": "GDPR Art. 13(2)(d)",
    "notice": "GDPR Art. 13",
    "proof_kept": "GDPR Art. 13(2)(a)",
}
"""Which rule asks for what stands at a place of the document."""

RESERVED_IDS = {"confirm", "manage", "undo", "unsubscribe", "q", "verify"}
RESERVED_IDS |= {"v1", "health", "api", "static", "openapi", "well-known"}
RESERVED_IDS |= {"a", "c", "e", "m", "u"}
"""What a clinic may not be called: its id is the first part of its address, as these are."""

_CODE = re.compile(r"[a-z0-9]{2,4}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DAYS = re.compile(r"P[1-9]\d?D")
_VERSION = re.compile(r"(?:[1-9]\d{0,3})\.(?:0|[1-9]\d{0,3})")


class InvalidDocumentError(InvalidInputError):
    """A clinic's document that cannot be published, with every error found in it."""

    def __init__(self, faults: Sequence[DocumentError]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def document_hash(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document, full notices included, in canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest()


def read_clinic(
    document: Any, sha256: str = "", published: Mapping[str, Any] | None = None
) -> Clinic:
    """Read a document as a clinic; raise InvalidDocumentError with every error in it.

    `published` is what was worked out when the document was published: the clinic's `dates`,
    `closes`, `since` and `brand`. Such a document was complete by the rules of its day. A rule that came
    later never makes it unreadable.
    """
    reader = _new_reader()
    whole = reader.mapping("", document)
    if published:
        clinic = _clinic(reader, whole, sha256, _published_brand(whole, published))
        return clinic._replace(
            dates=published.get("dates", {}),
            closes=published["closes"],
            since=published.get("since", ""),
        )
    clinic = _clinic(reader, whole, sha256)
    _raise_faults(reader)
    return clinic


def _published_brand(document: Mapping[str, Any], published: Mapping[str, Any]) -> Brand:
    """Return the brand as it was published; versions from before there were brands have none."""
    if "brand" not in published:
        return NO_BRAND
    logo = (document.get("brand") or {}).get("logo") or {}
    return Brand.read(published["brand"], logo.get("content", ""))


def read_full_notice(document: Mapping[str, Any], languages: Sequence[str]) -> Text:
    """Read the full legal notice; raise InvalidDocumentError where a language is missing."""
    reader = _new_reader()
    text = _full_notice(reader, document, languages)
    _raise_faults(reader)
    return text


def read_names(document: Mapping[str, Any]) -> tuple[str, str]:
    """Read the clinic's id and the version's number; raise InvalidDocumentError without them."""
    reader = _new_reader()
    names = _id(reader, document.get("id")), _version(reader, document.get("version"))
    _raise_faults(reader)
    return names


def check(document: Any, authorities: Mapping[str, Any]) -> tuple[DocumentError, ...]:
    """List all that is wrong or missing, in the full notices and the authority's name too.

    `authorities` are the supervisory authorities by country, each with its `name` by language.
    """
    reader = _new_reader()
    whole = reader.mapping("", document)
    clinic = _clinic(reader, whole, "")
    _full_notice(reader, whole, clinic.languages)
    from chalicelib.domain.phones import known_countries  # noqa: PLC0415 - a page checks no document

    for country in clinic.sms_countries:
        if country not in known_countries():
            problem = f"names {country!r}, which is no country"
            reader.fault("sms_countries", problem, "Use its two letters by ISO 3166")
    names = authorities.get(clinic.authority, {}).get("name", {})
    for lang in clinic.languages:
        if not names.get(lang):
            remedy = "Add it to chalicelib/presentation/authorities.json"
            reader.fault("authority", f"has no name in this language ({lang})", remedy)
    return tuple(dict.fromkeys(reader.faults))


def unconfirmed(document: Any) -> Mapping[str, str]:
    """Return `Clinic.unconfirmed_reasons` of a document, complete or not."""
    return _read_leniently(document).unconfirmed_reasons


def warnings_of(document: Any, at: Instant) -> tuple[DocumentError, ...]:
    """List what in a document, complete or not, is allowed and perhaps not meant."""
    clinic = _read_leniently(document)
    open_questions = clinic.open_at(at).questions
    warnings = list(_over(clinic, open_questions))
    large_scale = duty_on(clinic.country, "dpo", clinic.effective).from_patients is None
    if large_scale and isinstance(document, Mapping) and document.get("has_dpo") is False:
        problem = "is false: health data used on a large scale asks for one"
        remedy = "Name one where the clinic is more than a practice of one doctor or two"
        warnings.append(DocumentError("has_dpo", problem, remedy, "GDPR Art. 37(1)(c)"))
    if clinic.questions and not open_questions:
        problem = "are all over: the page asks nothing"
        remedy = "Write a question that is still asked"
        warnings.append(DocumentError("purposes", problem, remedy))
    if clinic.brand is not NO_BRAND:
        from chalicelib.notices.brand import warnings_of_brand  # noqa: PLC0415 - see _brand

        warnings += warnings_of_brand(clinic.brand)
    return tuple(warnings)


def _over(clinic: Clinic, open_questions: Mapping[str, Question]) -> Iterator[DocumentError]:
    """Warn of each question whose last day is over."""
    for number, purpose in enumerate(clinic.purposes, start=1):
        for place, question_id, ends in _decisions(f"purposes[{number}]", purpose):
            if question_id in clinic.questions and question_id not in open_questions:
                problem = f"is over since {ends}: nobody is asked about it"
                remedy = "Take it out, or write a later last day"
                yield DocumentError(f"{place}.ends", problem, remedy)


def _decisions(place: str, purpose: Purpose) -> Iterator[tuple[str, str, str | None]]:
    """Yield what is decided of a purpose: its place, the question's id, when it ends."""
    if not purpose.options:
        yield place, purpose.id, purpose.ends
    for number, option in enumerate(purpose.options, start=1):
        yield f"{place}.options[{number}]", f"{purpose.id}.{option.id}", option.ends


def _new_reader() -> FieldReader:
    return FieldReader(ARTICLES, KEYS)


def _raise_faults(reader: FieldReader) -> None:
    if reader.faults:
        raise InvalidDocumentError(reader.faults)


def _read_leniently(document: Any) -> Clinic:
    """Read a document as far as it can be read."""
    reader = _new_reader()
    return _clinic(reader, reader.mapping("", document), "")


def _full_notice(
    reader: FieldReader, document: Mapping[str, Any], languages: Sequence[str]
) -> Text:
    reader.languages = tuple(languages)
    return reader.text("notice", document.get("notice"))


def _clinic(
    reader: FieldReader, value: Mapping[str, Any], sha256: str, brand: Brand | None = None
) -> Clinic:
    reader.known_keys("", value, KEYS["the clinic"])
    reader.languages = _languages(reader, value.get("languages"))
    country = reader.choice("country", value.get("country"), COUNTRIES)
    effective = _effective(reader, value)
    address_duty = duty_on(country, "address", effective)
    controllers = read_controllers(reader, value.get("controllers"), address_duty)
    purposes = read_purposes(reader, value.get("purposes"))
    age_minimum, guardian = _age(reader, value.get("age"))
    texts = reader.mapping("texts", value.get("texts"))
    reader.known_keys("texts", texts, KEYS["texts"])
    return Clinic(
        id=_id(reader, value.get("id")),
        code=_code(reader, value.get("code")),
        version=_version(reader, value.get("version")),
        effective=effective,
        country=country,
        authority=reader.choice("authority", value.get("authority"), COUNTRIES),
        languages=reader.languages,
        name=reader.name("name", value.get("name")),
        controllers=controllers,
        dpo=read_dpo(reader, value, duty_on(country, "dpo", effective)),
        age_minimum=age_minimum,
        guardian=guardian,
        texts={name: reader.text(f"texts.{name}", texts.get(name)) for name in TEXTS},
        purposes=purposes,
        without_consent=read_without_consent(reader, value, purposes),
        sha256=sha256,
        questions=_questions(reader, purposes),
        confirm_within=_confirm_within(reader, value.get("confirm_within", CONFIRM_WITHIN)),
        proof_kept=_proof_kept(reader, value.get("proof_kept", PROOF_KEPT)),
        list_valid_hours=_list_valid_hours(reader, value.get("list_valid_hours", LIST_VALID_HOURS)),
        sms_countries=_sms_countries(reader, value.get("sms_countries")),
        imported_yes=_imported_yes(reader, value.get("imported_yes", PROVEN_COUNTS)),
        brand=brand or _brand(reader, value.get("brand")),
        look_up_reasons=_look_up_reasons(reader, value.get("look_up_reasons", False)),
    )


def _brand(reader: FieldReader, value: object) -> Brand:
    if value is None:
        return NO_BRAND
    from chalicelib.notices.brand import read_brand  # noqa: PLC0415 - showing a page needs none

    return read_brand(reader, value, KEYS["brand"], KEYS["brand.logo"])


def _id(reader: FieldReader, value: object) -> str:
    clinic = reader.matching("id", value, ID, "Use lower-case words joined by hyphens")
    if clinic in RESERVED_IDS:
        reader.fault("id", f"is {clinic!r}, an address of the portal itself", "Choose another id")
    return clinic


def _code(reader: FieldReader, value: object) -> str:
    return reader.matching("code", value, _CODE, "Use 2 to 4 lower-case letters or digits")


def _version(reader: FieldReader, value: object) -> str:
    return reader.matching("version", value, _VERSION, 'Write MAJOR.MINOR in quotes, such as "1.0"')


def _languages(reader: FieldReader, value: object) -> tuple[str, ...]:
    offered = ", ".join(LANGUAGES)
    if not isinstance(value, list) or not value or not all(isinstance(lang, str) for lang in value):
        allowed = f"the clinic's languages, its own first, from {offered}"
        reader.list_expected("languages", value, allowed)
        return ()
    for lang in value:
        if lang not in LANGUAGES:
            reader.fault("languages", f"names {lang!r}", f"The portal speaks {offered}")
    if len(set(value)) < len(value):
        reader.fault("languages", "names a language twice", "Name each once")
    return tuple(value)


def _effective(reader: FieldReader, value: Mapping[str, Any]) -> str:
    """Read the day from which the version is to be in force."""
    effective = str(value.get("effective", ""))
    if not _DATE.fullmatch(effective) or not is_ending(effective):
        reader.fault("effective", f"is {effective!r}", "Write a date such as 2026-11-01")
    return effective


def _age(reader: FieldReader, value: object) -> tuple[int | None, bool]:
    """Read the least age, None for none, and whether a guardian may decide for a child."""
    age = reader.mapping("age", {} if value is None else value)
    reader.known_keys("age", age, KEYS["age"])
    minimum, guardian = age.get("minimum"), age.get("guardian", False)
    if not isinstance(guardian, bool):
        remedy = "Write true, or leave it out where no guardian may decide"
        reader.fault("age.guardian", f"is {guardian!r}", remedy)
    if isinstance(minimum, int) and 0 < minimum < 100:  # noqa: PLR2004 - years of a human life
        return minimum, guardian is True
    only_guardian = minimum is None and "guardian" in age
    if value is not None and not only_guardian:
        reader.fault("age.minimum", f"is {minimum!r}", "Write the age in years, such as 18")
    return None, guardian is True


def _questions(reader: FieldReader, purposes: Sequence[Purpose]) -> Mapping[str, Question]:
    reader.check_distinct("purposes", [purpose.id for purpose in purposes])
    return questions_of(purposes)


def _confirm_within(reader: FieldReader, value: object) -> str:
    remedy = "Write 1 to 99 days, such as P7D"
    return reader.matching("confirm_within", value, _DAYS, remedy)


def _list_valid_hours(reader: FieldReader, value: object) -> int:
    if isinstance(value, int) and value is not True and 1 <= value <= MAX_LIST_HOURS:
        return value
    remedy = f"Write a whole number of hours from 1 to {MAX_LIST_HOURS}, such as 24"
    reader.fault("list_valid_hours", f"is {value!r}", remedy)
    return LIST_VALID_HOURS


def _proof_kept(reader: FieldReader, value: object) -> str:
    if is_ending(str(value)):
        return str(value)
    remedy = "Write a period (P3Y, P18M) or a last day (2035-12-31)"
    reader.fault("proof_kept", f"is {value!r}", remedy)
    return PROOF_KEPT


def _imported_yes(reader: FieldReader, value: object) -> str:
    """Read which Yes of an import counts at once."""
    if value in IMPORTED_YES:
        return str(value)
    reader.fault("imported_yes", f"is {value!r}", f"Write one of: {', '.join(IMPORTED_YES)}")
    return PROVEN_COUNTS


def _look_up_reasons(reader: FieldReader, value: object) -> bool:
    if not isinstance(value, bool):
        reader.fault("look_up_reasons", f"is {value!r}", "Write true or false")
    return value is True


def _sms_countries(reader: FieldReader, value: object) -> tuple[str, ...]:
    """Read the countries text messages are sent to; none for the clinic's own."""
    if value is None:
        return ()
    countries = value if isinstance(value, list) else []
    codes = [each for each in countries if isinstance(each, str) and _COUNTRY.fullmatch(each)]
    if codes and len(codes) == len(countries):
        reader.check_distinct("sms_countries", codes)
        return tuple(codes)
    example = "List countries by their two capital letters, such as [LV, LT]"
    remedy = f"{example}, or leave it out for the clinic's own"
    reader.fault("sms_countries", f"is {value!r}", remedy)
    return ()
