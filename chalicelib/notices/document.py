"""A clinic's document: read and checked part by part, every fault named with its place and remedy."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import rfc8785

from chalicelib.domain.clinic import (
    EXPLICIT_CONSENT,
    PROOF_KEPT,
    Clinic,
    Controller,
    Option,
    Processing,
    Purpose,
    Question,
    Text,
    waits_by_default,
)
from chalicelib.domain.consent import CONFIRM_WITHIN
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant, is_ending
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.one_line import is_one_line
from chalicelib.domain.phones import known_countries
from chalicelib.notices.articles import article
from chalicelib.notices.duties import Duty, duty

COUNTRIES = ("LV", "LT", "GE")
LEGAL_BASES = ("consent", EXPLICIT_CONSENT)
OTHER_BASES = ("contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests")
"""On what a clinic may use data without consent: GDPR Art. 6(1)(b) to (f), in the order of the law."""

NEEDS = ("email", "phone", "name", "contact", "address")
RESERVED_IDS = frozenset(
    {
        "confirm",
        "manage",
        "undo",
        "unsubscribe",
        "q",
        "verify",
        "v1",
        "health",
        "api",
        "static",
        "openapi",
        "well-known",
    }
)
TEXTS = ("intro", "required", "recipients", "transfers", "retention", "rights", "automated")
"""The texts of GDPR Art. 13 that belong to the clinic as a whole."""

NEWSLETTER = "newsletter"
"""The purpose whose Yes from the web is always confirmed from the contact itself."""

KEYS = {
    "the clinic": "id code version effective country authority languages name controllers dpo has_dpo "
    "patients_per_year age texts purposes without_consent notice confirm_within proof_kept sms_countries",
    "texts": " ".join(TEXTS),
    "a purpose": "id title text legal_basis data retention recipients options needs ends confirm controllers",
    "an option": "id title text needs ends confirm controllers",
    "an entry of without_consent": "id title text legal_basis data retention recipients law interest health_care",
    "a controller": "id name registration address email phone lead",
    "age": "minimum guardian",
}
"""What each part of a document may have."""

MAX_TOLD = 120
"""How much of a wrong value a fault repeats."""

MAX_EXCERPT = 40
"""How much of a text an example line repeats."""

_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML may hold (XML 1.0, 2.2), and so neither a FHIR narrative nor a PDF's metadata."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_CODE = re.compile(r"[a-z0-9]{2,4}")
_WAITING = re.compile(r"P[1-9]\d?D")
_VERSION = re.compile(r"(?:[1-9]\d{0,3})\.(?:0|[1-9]\d{0,3})")


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One thing wrong in a clinic's document: where it stands, what is wrong, what to do, which rule asks for it."""

    place: str
    problem: str
    remedy: str
    article: str | None = None

    def __str__(self) -> str:
        """Write the fault as one line."""
        return f"{self.place}: {self.problem}. {self.remedy}" + (f" ({self.article})" if self.article else "")


class InvalidDocumentError(InvalidInputError):
    """A clinic's document that cannot be published, with every fault found in it."""

    def __init__(self, faults: Sequence[DocumentError]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def document_hash(document: Mapping[str, Any]) -> str:
    """Give the SHA-256 of a clinic's whole document, full notices included, over its canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest()


def read_clinic(document: Any, sha256: str = "", told: Mapping[str, Any] | None = None) -> Clinic:
    """Check a clinic's document (JSON shapes) and give it as a value; raise InvalidClinicError with every fault.

    `told` is what was worked out when it was published: `dates`, `closes` and `since` of the clinic. What was
    published was complete by the rules of its day: a rule that came later never makes it unreadable.
    """
    reader = _Reader()
    clinic = reader.clinic(reader.mapping("", document), sha256)
    if told:
        return replace(clinic, dates=told["dates"], closes=told["closes"], since=told.get("since", ""))
    if reader.faults:
        raise InvalidDocumentError(reader.faults)
    return clinic


def read_full_notice(document: Mapping[str, Any], languages: Sequence[str]) -> Text:
    """Take the full legal notice out of a document; raise InvalidClinicError where a language is missing."""
    reader = _Reader()
    text = reader.full_notice(document, languages)
    if reader.faults:
        raise InvalidDocumentError(reader.faults)
    return text


def check(document: Any, authorities: Mapping[str, Any]) -> tuple[DocumentError, ...]:
    """List everything that is wrong or missing in a whole document, full notices and the authority's name included.

    `authorities` are the supervisory authorities by country, each with its `name` by language.
    """
    reader = _Reader()
    whole = reader.mapping("", document)
    clinic = reader.clinic(whole, "")
    reader.full_notice(whole, clinic.languages)
    names = authorities.get(clinic.authority, {}).get("name", {})
    for each in clinic.sms_countries:
        if each not in known_countries():
            reader.fault("sms_countries", f"names {each!r}, which is no country", "Use its two letters by ISO 3166")
    for lang in clinic.languages:
        if not names.get(lang):
            reader.fault(
                "authority",
                f"has no name in this language ({lang})",
                "Add it to chalicelib/presentation/authorities.json",
            )
    return tuple(dict.fromkeys(reader.faults))


def unconfirmed(document: Any) -> Mapping[str, str]:
    """Give `Clinic.unconfirmed_reasons` of a document, complete or not."""
    reader = _Reader()
    return reader.clinic(reader.mapping("", document), "").unconfirmed_reasons


def warnings_of(document: Any, at: Instant) -> tuple[DocumentError, ...]:
    """List what in a document, complete or not, is allowed and perhaps not meant."""
    reader = _Reader()
    clinic = reader.clinic(reader.mapping("", document), "")
    asked = clinic.open_at(at).questions
    warnings = []
    for number, purpose in enumerate(clinic.purposes, start=1):
        for place, address, ends in _decided(f"purposes[{number}]", purpose):
            if address in clinic.questions and address not in asked:
                remedy = "Take it out, or write a later last day"
                warnings.append(
                    DocumentError(f"{place}.ends", f"is over since {ends}: nobody is asked about it", remedy)
                )
    large_scale = duty(clinic.country, "dpo", clinic.effective).from_patients is None
    if isinstance(document, Mapping) and document.get("has_dpo") is False and large_scale:
        remedy = "Name one where the clinic is more than a practice of one doctor or two"
        problem = "is false: health data used on a large scale asks for one"
        warnings.append(DocumentError("has_dpo", problem, remedy, "GDPR Art. 37(1)(c)"))
    if clinic.questions and not asked:
        warnings.append(
            DocumentError("purposes", "are all over: the page asks nothing", "Write a question that is still asked")
        )
    return tuple(warnings)


def _decided(place: str, purpose: Purpose) -> Iterator[tuple[str, str, str | None]]:
    """Give what is decided of a purpose: its place, its address, when it ends."""
    if not purpose.options:
        yield place, purpose.id, purpose.ends
    for number, option in enumerate(purpose.options, start=1):
        yield f"{place}.options[{number}]", f"{purpose.id}.{option.id}", option.ends


def read_names(document: Mapping[str, Any]) -> tuple[str, str]:
    """Give the clinic's id and the version's number; raise InvalidClinicError where one of them is none."""
    reader = _Reader()
    names = reader.id(document.get("id")), reader.version(document.get("version"))
    if reader.faults:
        raise InvalidDocumentError(reader.faults)
    return names


def found(value: object) -> str:
    """Say what stands at a place, for an author who sees it as text."""
    match value:
        case None | "" | [] | {}:
            return "is missing or empty"
        case bool():
            return f"is {str(value).lower()}"
        case int() | float():
            return f"is the number {value}"
        case list():
            return f"is a list ({str(value)[:MAX_EXCERPT]})"
        case Mapping():
            return "has fields of its own"
        case _:
            return f"is {value!r}"


def unquoted(place: str, written: str) -> tuple[str, str]:
    """Say what is wrong with a number that stands where a text is due, and what to write instead."""
    what = "is read as true or false" if written.isalpha() else f"is the number {written}"
    return f"{what}, and a text is due", f'Put it in quotes: `{_field(place)}: "{written}"`'


def _field(place: str) -> str:
    """Give a field's own name, by its place."""
    return re.sub(r"\[\d+\]$", "", place).rpartition(".")[2]


def _excerpt(value: object) -> str:
    """Give a text that may stand in an example line; nothing where it is long, or cannot be read."""
    short = isinstance(value, str) and value.isprintable() and len(value) <= MAX_EXCERPT and '"' not in value
    return str(value) if short else ""


def _belongs(key: str, allowed: str) -> str:
    """Say where a key belongs that has no place where it stands: most often it is not indented as it should be."""
    if key in LANGUAGES:
        return f"If {key} is a language, indent it by two spaces below the field whose text it is"
    owner = next((name for name, keys in KEYS.items() if key in keys.split()), None)
    if owner:
        return f"{key} belongs to {owner}: check how far the line is indented"
    return f"Use one of: {allowed}"


class _Reader:
    """Reads a document part by part and collects the faults, so that an author sees all of them at once."""

    def __init__(self) -> None:
        self.faults: list[DocumentError] = []
        self.languages: tuple[str, ...] = ()
        self.controllers: tuple[str, ...] = ()

    def fault(self, place: str, problem: str, remedy: str) -> None:
        self.faults.append(DocumentError(place or "document", problem[:MAX_TOLD], remedy, article(place)))

    def mapping(self, place: str, value: object) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        self.fault(place, f"{found(value)}, and it has fields", "Write each as `field: value`, indented below it")
        return {}

    def items(self, place: str, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if not isinstance(value, list) or not value:
            remedy = "Write a list with at least one `- ` entry"
            if isinstance(value, Mapping):
                remedy = "Begin its first line with `- ` and indent the others as far as the text behind that"
            self.fault(place, f"{found(value)}, and a list is due", remedy)
            return
        for number, entry in enumerate(value, start=1):
            yield f"{place}[{number}]", self.mapping(f"{place}[{number}]", entry)

    def known_keys(self, place: str, value: Mapping[str, Any], allowed: str) -> None:
        for key in (each for each in value if each not in allowed.split()):
            at = f"{place}.{key}".lstrip(".")
            self.faults.append(DocumentError(at[:MAX_TOLD], "is not a known key", _belongs(key, allowed)))

    def word(self, place: str, value: object, pattern: re.Pattern[str], remedy: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        if not self.number(place, value):
            self.fault(place, found(value), remedy)
        return ""

    def number(self, place: str, value: object) -> bool:
        """Tell whether a number, or a word that is read as true or false, stands where a text is due; note it."""
        if not isinstance(value, int | float):
            return False
        self.fault(place, *unquoted(place, str(value).lower()))
        return True

    def one_for_a_list(self, place: str, value: object, allowed: str) -> None:
        """Note what stands where a list of words is due; a text is shown as the list it is meant to be."""
        meant = re.findall(r"[^\s,\[\]]+", value) if isinstance(value, str) else []
        example = f"`{_field(place)}: [{', '.join(meant)}]`, of" if meant else "a list of"
        self.fault(place, f"{found(value)}, and a list is due", f"Write {example}: {allowed}"[:MAX_TOLD])

    def choice(self, place: str, value: object, allowed: Sequence[str]) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        if not self.number(place, value):
            self.fault(place, found(value), f"Use one of: {', '.join(allowed)}")
        return allowed[0]

    def line(self, place: str, value: object, *, required: bool = True) -> str:
        if isinstance(value, str) and value.strip():
            return self.one_line(place, self.writable(place, value).strip())
        if (required or value is not None) and not self.number(place, value):
            self.fault(place, found(value), "Write a text, in quotes if it starts with a sign or a digit")
        return ""

    def one_line(self, place: str, value: str) -> str:
        """Refuse what would not fit into the header of a mail: its sender's name, say, or where an answer goes."""
        if not is_one_line(value) and not _UNWRITABLE.search(value):  # told already, with its line
            self.fault(place, "has a line break or a control character", "Write it in one line")
        return value

    def name(self, place: str, value: object) -> Text:
        names = self.text(place, value)
        return {lang: self.one_line(f"{place}.{lang}", name) for lang, name in names.items()}

    def text(self, place: str, value: object) -> Text:
        if not isinstance(value, Mapping):
            self.no_text(place, value)
            return dict.fromkeys(self.languages, "")
        texts = value
        for lang in self.languages:
            written = texts.get(lang)
            if isinstance(written, str) and written.strip():
                self.writable(f"{place}.{lang}", written)
            elif not self.number(f"{place}.{lang}", written):
                problem = "has no text" if written in (None, "") or isinstance(written, str) else found(written)
                self.fault(f"{place}.{lang}", problem, f"Write the text in this language ({lang})")
        for lang in texts.keys() - set(self.languages):
            self.fault(
                f"{place}.{lang}", "is in a language the clinic does not list", "Add it to `languages` or remove it"
            )
        return {lang: str(texts.get(lang, "")).strip() for lang in self.languages}

    def no_text(self, place: str, value: object) -> None:
        """Note what stands where a text in each language is due."""
        if value is None:
            problem, first = "is missing or empty", "…"
        else:
            problem = f"{found(value)}, and a text for each language is due"
            first = _excerpt(value) or "…"
        texts = ", ".join(f'{lang}: "{"…" if number else first}"' for number, lang in enumerate(self.languages))
        self.fault(place, problem, f"Write `{_field(place)}: {{{texts}}}`, or a line a language, indented below it")

    def writable(self, place: str, value: str) -> str:
        """Refuse what would break the receipts that are written as XML, told by its number: it cannot be seen."""
        if found := _UNWRITABLE.search(value):
            line = value.count("\n", 0, found.start()) + 1
            problem = f"has a character that cannot be written (U+{ord(found[0]):04X}, line {line})"
            self.fault(place, problem, "Remove it; it often comes with text copied from another program")
        return value

    def optional_text(self, place: str, value: object) -> Text | None:
        return None if value is None else self.text(place, value)

    def full_notice(self, document: Mapping[str, Any], languages: Sequence[str]) -> Text:
        self.languages = tuple(languages)
        return self.text("notice", document.get("notice"))

    def clinic(self, value: Mapping[str, Any], sha256: str) -> Clinic:
        self.known_keys("", value, KEYS["the clinic"])
        self.languages = self.spoken(value.get("languages"))
        country = self.choice("country", value.get("country"), COUNTRIES)
        effective = str(value.get("effective", ""))
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", effective) or not is_ending(effective):
            self.fault("effective", f"is {effective!r}", "Write a date such as 2026-11-01")
        controllers = self.joint(
            tuple(
                self.controller(*each, address=duty(country, "address", effective))
                for each in self.items("controllers", value.get("controllers"))
            )
        )
        purposes = tuple(self.purpose(place, each) for place, each in self.items("purposes", value.get("purposes")))
        age_minimum, guardian = self.age(value.get("age"))
        texts = self.mapping("texts", value.get("texts"))
        self.known_keys("texts", texts, KEYS["texts"])
        return Clinic(
            id=self.id(value.get("id")),
            code=self.word("code", value.get("code"), _CODE, "Use 2 to 4 lower-case letters or digits"),
            version=self.version(value.get("version")),
            effective=effective,
            country=country,
            authority=self.choice("authority", value.get("authority"), COUNTRIES),
            languages=self.languages,
            name=self.name("name", value.get("name")),
            controllers=controllers,
            dpo=self.dpo(value, duty(country, "dpo", effective)),
            age_minimum=age_minimum,
            guardian=guardian,
            texts={each: self.text(f"texts.{each}", texts.get(each)) for each in TEXTS},
            purposes=purposes,
            without_consent=self.without_consent(value, purposes),
            sha256=sha256,
            questions=self.questions(purposes),
            confirm_within=self.word(
                "confirm_within",
                value.get("confirm_within", CONFIRM_WITHIN),
                _WAITING,
                "Write 1 to 99 days, such as P7D",
            ),
            proof_kept=self.proof_kept(value.get("proof_kept", PROOF_KEPT)),
            sms_countries=self.sms_countries(value.get("sms_countries")),
        )

    def id(self, value: object) -> str:
        clinic = self.word("id", value, _ID, "Use lower-case words joined by hyphens")
        if clinic in RESERVED_IDS:
            self.fault("id", f"is {clinic!r}, an address of the portal itself", "Choose another id")
        return clinic

    def version(self, value: object) -> str:
        return self.word("version", value, _VERSION, 'Write MAJOR.MINOR in quotes, such as "1.0"')

    def spoken(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            self.one_for_a_list(
                "languages", value, f"the clinic's languages, its own first, from {', '.join(LANGUAGES)}"
            )
            return ()
        for each in value:
            if each not in LANGUAGES:
                self.fault("languages", f"names {each!r}", f"The portal speaks {', '.join(LANGUAGES)}")
        if len(set(value)) < len(value):
            self.fault("languages", "names a language twice", "Name each once")
        return tuple(value)

    def dpo(self, value: Mapping[str, Any], asked: Duty) -> Mapping[str, str]:
        """Read the data protection contact; none where the clinic says why the law asks for none."""
        has, patients = value.get("has_dpo"), value.get("patients_per_year")
        if has is not None and not isinstance(has, bool):
            self.fault("has_dpo", found(has), "Write false where there is none, or leave it out")
        counted = isinstance(patients, int) and not isinstance(patients, bool) and patients > 0
        if patients is not None and not counted:
            self.fault("patients_per_year", found(patients), "Write a number without quotes, such as 4000")
        if value.get("dpo") is not None:
            if has is False:
                self.fault("has_dpo", "is false, and a contact is named", "Leave out one of the two")
            return self.reachable("dpo", self.mapping("dpo", value["dpo"]))
        remedy = "Write `dpo:` with `name:` and `email:` or `phone:` below it"
        if asked.from_patients is None:
            if has is not False:
                self.faults.append(
                    DocumentError(
                        "dpo", "is missing", f"{remedy}, or `has_dpo: false` where the law asks for none", asked.article
                    )
                )
        elif not counted:
            told = f"{remedy}, or `patients_per_year:` where fewer than {asked.from_patients} come in a year"
            self.faults.append(DocumentError("dpo", "is missing", told, asked.article))
        elif isinstance(patients, int) and patients >= asked.from_patients:
            problem = f"is missing, and is due from {asked.from_patients} patients a year"
            self.faults.append(DocumentError("dpo", problem, remedy, asked.article))
        return {}

    def controller(self, place: str, value: Mapping[str, Any], *, address: Duty) -> Controller:
        self.known_keys(place, value, KEYS["a controller"])
        reach = self.reachable(place, value)
        return Controller(
            id=self.word(f"{place}.id", value.get("id"), _ID, "Use lower-case words joined by hyphens"),
            name=self.line(f"{place}.name", value.get("name")),
            address=self.line(f"{place}.address", value.get("address"), required=address.due),
            email=reach.get("email", ""),
            phone=reach.get("phone", ""),
            registration=self.line(f"{place}.registration", value.get("registration"), required=False),
            lead=value.get("lead") is True,
        )

    def joint(self, controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
        if len(controllers) > 1 and sum(each.lead for each in controllers) != 1:
            self.fault("controllers", "several, and not exactly one leads", "Write `lead: true` on one of them")
        self.controllers = tuple(each.id for each in controllers)
        self.distinct("controllers", self.controllers)
        return controllers

    def reachable(self, place: str, value: Mapping[str, Any]) -> Mapping[str, str]:
        if not value.get("email") and not value.get("phone"):
            self.fault(place, "has no contact", "Write `email:` or `phone:`")
        return {key: self.line(f"{place}.{key}", value[key]) for key in ("name", "email", "phone") if key in value}

    def age(self, value: object) -> tuple[int | None, bool]:
        age = self.mapping("age", {} if value is None else value)
        self.known_keys("age", age, KEYS["age"])
        minimum, guardian = age.get("minimum"), age.get("guardian", False)
        if not isinstance(guardian, bool):
            self.fault("age.guardian", f"is {guardian!r}", "Write true, or leave it out where no guardian may decide")
        if isinstance(minimum, int) and 0 < minimum < 100:  # noqa: PLR2004 - years of a human life
            return minimum, guardian is True
        if value is not None and not (minimum is None and "guardian" in age):
            self.fault("age.minimum", f"is {minimum!r}", "Write the age in years, such as 18")
        return None, guardian is True

    def purpose(self, place: str, value: Mapping[str, Any]) -> Purpose:
        self.known_keys(place, value, KEYS["a purpose"])
        options: tuple[Option, ...] = ()
        if "options" in value:
            options = tuple(
                self.option(*each, purpose=value) for each in self.items(f"{place}.options", value["options"])
            )
            self.distinct(f"{place}.options", [each.id for each in options])
            for key in ("needs", "ends", "confirm"):
                if key in value:
                    self.fault(f"{place}.{key}", "stands on a purpose with options", "Write it on each option instead")
        confirm, unconfirmed_because = self.confirm(place, value, purpose=value)
        return Purpose(
            id=self.word(f"{place}.id", value.get("id"), _WORD, "Use lower-case letters, digits and underscores"),
            title=self.text(f"{place}.title", value.get("title")),
            text=self.text(f"{place}.text", value.get("text")),
            legal_basis=self.asked_basis(f"{place}.legal_basis", value.get("legal_basis")),
            data=self.text(f"{place}.data", value.get("data")),
            retention=self.text(f"{place}.retention", value.get("retention")),
            recipients=self.optional_text(f"{place}.recipients", value.get("recipients")),
            options=options,
            needs=self.needs(place, value.get("needs", [])),
            ends=self.ends(place, value.get("ends")),
            controllers=self.concerned(place, value),
            confirm=confirm,
            unconfirmed_because=unconfirmed_because,
        )

    def option(self, place: str, value: Mapping[str, Any], *, purpose: Mapping[str, Any]) -> Option:
        self.known_keys(place, value, KEYS["an option"])
        confirm, unconfirmed_because = self.confirm(place, value, purpose=purpose)
        return Option(
            id=self.word(f"{place}.id", value.get("id"), _WORD, "Use lower-case letters, digits and underscores"),
            title=self.text(f"{place}.title", value.get("title")),
            text=self.optional_text(f"{place}.text", value.get("text")),
            needs=self.needs(place, value.get("needs", [])),
            ends=self.ends(place, value.get("ends")),
            controllers=self.concerned(place, value),
            confirm=confirm,
            unconfirmed_because=unconfirmed_because,
        )

    def confirm(self, place: str, value: Mapping[str, Any], *, purpose: Mapping[str, Any]) -> tuple[bool, str]:
        """Read whether a Yes is confirmed by message before it counts, and the reason where it need not be.

        A newsletter always is. What rests on explicit consent, and all data sharing, is unless the clinic says why
        not: anybody can type anybody's contact (GDPR Art. 7(1): the controller must show that the person consented).
        """
        always = purpose.get("id") == NEWSLETTER
        by_default = always or waits_by_default(purpose.get("id"), purpose.get("legal_basis"))
        place, told, reason = f"{place}.confirm", value.get("confirm", by_default), ""
        if isinstance(told, Mapping):
            self.known_keys(place, told, "required reason")
            reason = self.line(f"{place}.reason", told.get("reason"), required=False)
            told = told.get("required")
        if not isinstance(told, bool):
            self.fault(place, f"is {told!r}", "Write true, or `{required: false, reason: …}`")
        elif always and not told:
            self.fault(place, "is false", "A newsletter is always confirmed first; leave it out")
        elif by_default and not told and not reason:
            remedy = "Leave it out, or write `{required: false, reason: …}` for whoever approves the notice"
            self.fault(place, "is false without a reason", remedy)
        return told is True, "" if told is True else reason

    def asked_basis(self, place: str, value: object) -> str:
        """Read the basis of what is asked: a consent. What rests on another is told, and not asked."""
        if value in OTHER_BASES:
            remedy = "It needs no consent, so do not ask: write it under `without_consent` instead"
            self.fault(place, f"is {value!r}", remedy)
            return LEGAL_BASES[0]
        return self.choice(place, value, LEGAL_BASES)

    def without_consent(self, value: Mapping[str, Any], purposes: Sequence[Purpose]) -> tuple[Processing, ...]:
        if "without_consent" not in value:
            return ()
        told = tuple(self.processing(*each) for each in self.items("without_consent", value["without_consent"]))
        self.distinct("without_consent", [each.id for each in told])
        for each in sorted({each.id for each in told} & {each.id for each in purposes} - {""}):
            self.fault("without_consent", f"has {each!r}, which is asked too", "Ask for it, or do it without: not both")
        return told

    def processing(self, place: str, value: Mapping[str, Any]) -> Processing:
        self.known_keys(place, value, KEYS["an entry of without_consent"])
        basis = value.get("legal_basis")
        if basis in LEGAL_BASES:
            self.fault(
                f"{place}.legal_basis", f"is {basis!r}", "What rests on consent is asked: write it under `purposes`"
            )
            basis = OTHER_BASES[0]
        health_care = value.get("health_care", False)
        if not isinstance(health_care, bool):
            self.fault(f"{place}.health_care", found(health_care), "Write true where health data is used for care")
        interest = self.optional_text(f"{place}.interest", value.get("interest"))
        if basis == "legitimate_interests" and interest is None:
            self.no_text(f"{place}.interest", None)
        return Processing(
            id=self.word(f"{place}.id", value.get("id"), _WORD, "Use lower-case letters, digits and underscores"),
            title=self.text(f"{place}.title", value.get("title")),
            text=self.text(f"{place}.text", value.get("text")),
            legal_basis=self.choice(f"{place}.legal_basis", basis, OTHER_BASES),
            data=self.text(f"{place}.data", value.get("data")),
            retention=self.text(f"{place}.retention", value.get("retention")),
            recipients=self.optional_text(f"{place}.recipients", value.get("recipients")),
            law=self.optional_text(f"{place}.law", value.get("law")),
            interest=interest,
            health_care=health_care is True,
        )

    def needs(self, place: str, value: object) -> frozenset[str]:
        if isinstance(value, list) and all(each in NEEDS for each in value):
            return frozenset(value) | ({"name"} if "address" in value else set())  # a letter has a name on it
        if isinstance(value, list):
            self.fault(f"{place}.needs", found(value), f"Write a list of: {', '.join(NEEDS)}")
        else:
            self.one_for_a_list(f"{place}.needs", value, ", ".join(NEEDS))
        return frozenset()

    def concerned(self, place: str, value: Mapping[str, Any]) -> tuple[str, ...]:
        named = value.get("controllers", [])
        if "controllers" in value and (not isinstance(named, list) or not named):
            self.one_for_a_list(f"{place}.controllers", named, "ids of `controllers`; or leave it out for all")
            return ()
        known = [self.choice(f"{place}.controllers", each, self.controllers or ("",)) for each in named]
        self.distinct(f"{place}.controllers", known)
        return tuple(known)

    def ends(self, place: str, value: object) -> str | None:
        if value is None or is_ending(str(value)):
            return None if value is None else str(value)
        self.fault(f"{place}.ends", f"is {value!r}", "Write a last day (2027-03-31) or a period (P1Y, P6M, P30D)")
        return None

    def questions(self, purposes: Sequence[Purpose]) -> Mapping[str, Question]:
        self.distinct("purposes", [each.id for each in purposes])
        found = {}
        for purpose in purposes:
            for option in purpose.options or (None,):
                address = f"{purpose.id}.{option.id}" if option else purpose.id
                decided = option or purpose
                found[address] = Question(
                    address,
                    purpose,
                    option,
                    decided.needs,
                    decided.ends,
                    confirm=decided.confirm,
                    unconfirmed_because=decided.unconfirmed_because,
                )
        return found

    def proof_kept(self, value: object) -> str:
        if is_ending(str(value)):
            return str(value)
        self.fault("proof_kept", f"is {value!r}", "Write a period (P3Y, P18M) or a last day (2035-12-31)")
        return PROOF_KEPT

    def sms_countries(self, value: object) -> tuple[str, ...]:
        """Read the countries text messages are sent to; none for the clinic's own."""
        if value is None:
            return ()
        named = value if isinstance(value, list) else []
        if named and all(isinstance(each, str) and _COUNTRY.fullmatch(each) for each in named):
            self.distinct("sms_countries", named)
            return tuple(named)
        remedy = "List countries by their two capital letters, such as [LV, LT], or leave it out for the clinic's own"
        self.fault("sms_countries", f"is {value!r}", remedy)
        return ()

    def distinct(self, place: str, ids: Sequence[str]) -> None:
        for each in sorted({each for each in ids if each and ids.count(each) > 1}):
            self.fault(place, f"has {each!r} twice", "Give each its own id")
