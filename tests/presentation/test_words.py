"""Each language's catalog as a careful reader of it would want it."""

import re
from collections.abc import Iterator

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from chalicelib.domain.languages import LANGUAGES
from chalicelib.presentation.i18n import catalog
from infra.build.catalogs import ROOT, catalog_file

# What a patient holds, what a patient does to a Yes, and what a clinic does to its own notice.
STEMS = {
    "en": {"receipt": "receipt", "confirm": "confirm", "approve": "approv"},
    "lv": {"receipt": "apliecin", "confirm": "apstiprin", "approve": "saskaņ"},
    "lt": {"receipt": "kvit", "confirm": "tvirtin", "approve": "pritar"},
    "ka": {"receipt": "ქვით", "confirm": "დასტურ", "approve": "დაამტკიც|დამტკიც|დაუმტკიც"},
    "ru": {"receipt": "квитанц", "confirm": "тверд|тверж", "approve": "одобр"},
}
NUMBERS = range(1, 122)

# The word after a number in each message with plural forms, by CLDR's category of the number.
AGES = {
    "en": {"one": "year", "other": "years"},
    "lv": {"one": "gads", "other": "gadi", "zero": "gadi"},
    "lt": {"one": "metai", "few": "metai", "other": "metų"},
    "ka": {"one": "წლის", "other": "წლის"},
    "ru": {"one": "год", "few": "года", "many": "лет"},
}
GENITIVE_AGES = {
    **AGES,
    "lv": {"one": "gada", "other": "gadu", "zero": "gadu"},
    "lt": {"one": "metų", "few": "metų", "other": "metų"},
    "ru": {"one": "года", "few": "лет", "many": "лет"},
}
FROM_AN_AGE = {**GENITIVE_AGES, "ka": {"one": "წლიდან", "other": "წლიდან"}}
BELOW_AN_AGE = {**GENITIVE_AGES, "ka": {"one": "წლამდე", "other": "წლამდე"}}
LASTING = {
    "year": {
        "en": {"one": "year", "other": "years"},
        "lv": {"one": "gadu", "other": "gadus", "zero": "gadus"},
        "lt": {"one": "metus", "few": "metus", "other": "metų"},
        "ka": {"one": "წელი", "other": "წელი"},
        "ru": {"one": "год", "few": "года", "many": "лет"},
    },
    "month": {
        "en": {"one": "month", "other": "months"},
        "lv": {"one": "mēnesi", "other": "mēnešus", "zero": "mēnešus"},
        "lt": {"one": "mėnesį", "few": "mėnesius", "other": "mėnesių"},
        "ka": {"one": "თვე", "other": "თვე"},
        "ru": {"one": "месяц", "few": "месяца", "many": "месяцев"},
    },
    "day": {
        "en": {"one": "day", "other": "days"},
        "lv": {"one": "dienu", "other": "dienas", "zero": "dienas"},
        "lt": {"one": "dieną", "few": "dienas", "other": "dienų"},
        "ka": {"one": "დღე", "other": "დღე"},
        "ru": {"one": "день", "few": "дня", "many": "дней"},
    },
}
MINUTES = {
    "en": {"one": "minute", "other": "minutes"},
    "lv": {"one": "minūti", "other": "minūtes", "zero": "minūtes"},
    "lt": {"one": "minutę", "few": "minutes", "other": "minučių"},
    "ka": {"one": "წუთი", "other": "წუთი"},
    "ru": {"one": "минуту", "few": "минуты", "many": "минут"},
}
TIMES = {
    "en": {"one": "time", "other": "times"},
    "lv": {"one": "reizi", "other": "reizes", "zero": "reizes"},
    "lt": {"one": "kartą", "few": "kartus", "other": "kartų"},
    "ka": {"one": "-ჯერ", "other": "-ჯერ"},
    "ru": {"one": "раз", "few": "раза", "many": "раз"},
}
TOPICS = {
    "en": {"one": "topic", "other": "topics"},
    "lv": {"one": "tēma", "other": "tēmas", "zero": "tēmas"},
    "lt": {"one": "tema", "few": "temos", "other": "temų"},
    "ka": {"one": "თემა", "other": "თემა"},
    "ru": {"one": "тема", "few": "темы", "many": "тем"},
}
ABOUT_MINUTES = {
    **MINUTES,
    "lv": {"one": "minūte", "other": "minūtes", "zero": "minūtes"},
    "ru": {"one": "минуты", "few": "минут", "many": "минут"},
}
IN_MINUTES = {
    **MINUTES,
    "lv": {"one": "minūtes", "other": "minūtēm", "zero": "minūtēm"},
    "lt": {"one": "minutės", "few": "minučių", "other": "minučių"},
    "ka": {"one": "წუთში", "other": "წუთში"},
}
ENTERED_FORMS = {
    "en": {"one": "form", "other": "forms"},
    "lv": {"one": "veidlapa", "other": "veidlapas", "zero": "veidlapas"},
    "lt": {"one": "forma", "few": "formos", "other": "formų"},
    "ka": {"one": "ფორმა", "other": "ფორმა"},
    "ru": {"one": "бланк", "few": "бланка", "many": "бланков"},
}
AFTER_DAYS = {
    "en": {"one": "day", "other": "days"},
    "lv": {"one": "dienas", "other": "dienām", "zero": "dienām"},
    "lt": {"one": "dienos", "few": "dienų", "other": "dienų"},
    "ka": {"one": "დღის", "other": "დღის"},
    "ru": {"one": "день", "few": "дня", "many": "дней"},
}
HOURS = {
    "en": {"one": "hour", "other": "hours"},
    "lv": {"one": "stundu", "other": "stundas", "zero": "stundas"},
    "lt": {"one": "valandą", "few": "valandas", "other": "valandų"},
    "ka": {"one": "საათი", "other": "საათი"},
    "ru": {"one": "час", "few": "часа", "many": "часов"},
}
TRIES = {
    "en": {"one": "try", "other": "tries"},
    "lv": {"one": "mēģinājums", "other": "mēģinājumi", "zero": "mēģinājumi"},
    "lt": {"one": "bandymas", "few": "bandymai", "other": "bandymų"},
    "ka": {"one": "ცდა", "other": "ცდა"},
    "ru": {"one": "попытка", "few": "попытки", "many": "попыток"},
}
QUEUED = {
    "en": {"one": "message", "other": "messages"},
    "lv": {"one": "ziņa", "other": "ziņas", "zero": "ziņas"},
    "lt": {"one": "žinutė", "few": "žinutės", "other": "žinučių"},
    "ka": {"one": "შეტყობინება", "other": "შეტყობინება"},
    "ru": {"one": "сообщение", "few": "сообщения", "many": "сообщений"},
}
LISTED_PEOPLE = {
    "en": {"one": "person", "other": "people"},
    "lv": {"one": "cilvēks", "other": "cilvēki", "zero": "cilvēki"},
    "lt": {"one": "žmogus", "few": "žmonės", "other": "žmonių"},
    "ka": {"one": "ადამიანი", "other": "ადამიანი"},
    "ru": {"one": "человек", "few": "человека", "many": "человек"},
}
OF_PEOPLE = {
    **LISTED_PEOPLE,
    "lv": {"one": "cilvēka", "other": "cilvēku", "zero": "cilvēku"},
    "lt": {"one": "žmogaus", "few": "žmonių", "other": "žmonių"},
    "ka": {"one": "ადამიანის", "other": "ადამიანის"},
    "ru": {"one": "человека", "few": "человек", "many": "человек"},
}
KNOWN_PEOPLE = {
    **LISTED_PEOPLE,
    "lv": {"one": "persona", "other": "personas", "zero": "personas"},
    "ka": {"one": "ადამიანია", "other": "ადამიანია"},
}
OTHER_PEOPLE = {
    **OF_PEOPLE,
    "en": {"one": "other person", "other": "other people"},
    "lv": {"one": "citai personai", "other": "citām personām", "zero": "citām personām"},
    "lt": {"one": "žmogus", "few": "žmonės", "other": "žmonių"},
    "ka": {"one": "ადამიანს", "other": "ადამიანს"},
}
RECEIPTS = {
    "en": {"one": "receipt", "other": "receipts"},
    "lv": {
        "one": "šīs lapas apliecinājums",
        "other": "šīs lapas apliecinājumi",
        "zero": "šīs lapas apliecinājumi",
    },
    "lt": {
        "one": "šio puslapio kvitas",
        "few": "šio puslapio kvitai",
        "other": "šio puslapio kvitų",
    },
    "ka": {"one": "ქვითარი", "other": "ქვითარი"},
    "ru": {"one": "квитанция", "few": "квитанции", "many": "квитанций"},
}
NO_WORD = {lang: dict.fromkeys(("zero", "one", "few", "many", "other"), "") for lang in LANGUAGES}
AFTER_A_NUMBER = {
    "I am at least": AGES,
    "The person said or ticked:": AGES,
    "A Yes is for those who are at least": {
        **AGES,
        "ka": dict.fromkeys(("one", "other"), "წლისაა"),
    },
    "Tick that you are at least": AGES,
    "From the age of": FROM_AN_AGE,
    "For a child younger than": BELOW_AN_AGE,
    **{f"Your Yes is in force for %(count)s {unit}.": words for unit, words in LASTING.items()},
    "Too many tries.": MINUTES,
    "There were too many tries.": MINUTES,
    "Please wait %(count)s minute": MINUTES,
    "%(count)s time that day": TIMES,
    "%(count)s topic": TOPICS,
    "%(count)s form entered so far.": ENTERED_FORMS,
    "about %(count)s minute": ABOUT_MINUTES,
    "and %(count)s more": NO_WORD,
    "And %(count)s more.": NO_WORD,
    "more than %(count)s": NO_WORD,
    "Only %(count)s is shown": NO_WORD,
    "%(count)s receipt of this page": RECEIPTS,
    "%(count)s person is known": KNOWN_PEOPLE,
    "%(count)s other person has": OTHER_PEOPLE,
    "At the last count, ": LISTED_PEOPLE,
    "%(count)s person was looked at": LISTED_PEOPLE,
    "It ends consents of": OF_PEOPLE,
    "It was sent a short while ago.": IN_MINUTES,
    "You can have it sent again in": IN_MINUTES,
    "after %(count)s day": AFTER_DAYS,
    "for %(count)s hour": HOURS,
    "%(count)s try failed": TRIES,
    "%(count)s message is put into the queue": QUEUED,
}


def messages(lang: str) -> Catalog:
    """Read a language's catalog."""
    with catalog_file(lang).open("rb") as file:
        return read_po(file, locale=lang)


def forms(message: Message, *, source: bool = False) -> tuple[str, ...]:
    """Give all forms of a message in English, or of its translation."""
    text = message.id if source else message.string
    return (text,) if isinstance(text, str) else tuple(text)


def with_plurals() -> Iterator[tuple[str, str]]:
    """Yield the singular and the plural of each message that has both."""
    for message in messages("en"):
        if message.id and not isinstance(message.id, str):
            singular, plural = message.id
            yield singular, plural


@pytest.mark.parametrize("lang", LANGUAGES)
def test_receipt_confirm_and_approve_are_three_words(lang: str) -> None:
    """Nobody whose Yes still has to be confirmed reads that they hold a confirmation."""
    for message in messages(lang):
        english = " ".join(forms(message, source=True)).lower() if message.id else ""
        spoken_of = {word for word, stem in STEMS["en"].items() if stem in english}
        if not spoken_of:
            continue
        translated = " ".join(forms(message)).lower()
        for word, stem in STEMS[lang].items():
            assert word in spoken_of or not re.search(stem, translated), (english, translated)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("Your receipt", "receipt"),
        ("Check a receipt", "receipt"),
        ("Confirm", "confirm"),
        ("Please confirm your Yes", "confirm"),
        ("Approved by %(name)s.", "approve"),
    ],
)
def test_each_of_the_three_is_called_by_its_own_word(lang: str, message: str, word: str) -> None:
    """What the mail, the page and the paper call a receipt is the same thing."""
    assert re.search(STEMS[lang][word], catalog(lang).gettext(message).lower())


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("singular", "plural"), sorted(with_plurals()))
def test_a_word_after_a_number_has_the_form_of_that_number(
    lang: str, singular: str, plural: str
) -> None:
    """At 21 a Russian reads “21 год”, a Latvian “21 gads”."""
    found = [words for start, words in AFTER_A_NUMBER.items() if singular.startswith(start)]
    assert len(found) == 1, f"say in AFTER_A_NUMBER which words follow the number in {singular!r}"
    [words] = found
    category = Locale.parse(lang).plural_form
    for number in NUMBERS:
        sentence = catalog(lang).ngettext(singular, plural, number)
        written = sentence % {"years": number, "count": number, "when": ""}
        word = words[lang][category(number)]
        joined = f"{number}{word}" if word.startswith("-") else f"{number} {word}".rstrip()
        assert re.search(rf"\b{joined}\b", written), (number, written)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_quotes_are_those_of_the_language(lang: str) -> None:
    """No quotation mark of a typewriter stands in a sentence."""
    for message in messages(lang):
        for text in forms(message) if message.id else ():
            assert '"' not in text, text
            if lang != "en":
                assert not re.search(r"\w'\w|(?<!\w)'", text), text


@pytest.mark.parametrize("lang", ["lt", "ru"])
def test_no_sentence_that_ends_with_a_date_has_two_full_stops(lang: str) -> None:
    """A date ends with “d.” or “г.”, which is the end of the sentence too.

    Text messages write it in figures.
    """
    for message in messages(lang):
        if not message.id or forms(message)[0].startswith("%(name)s:"):
            continue
        for text in forms(message):
            assert not re.search(r"%\((date|day)\)s\.", text), text


def test_one_word_for_the_clinic() -> None:
    """A patient is not left to wonder whether the clinic and the institution are two."""
    for lang, other in (("lv", "iestādē|iestāde |iestādi|iestādes d"), ("lt", "klinik")):
        for message in messages(lang):
            english = " ".join(forms(message, source=True)) if message.id else ""
            if "clinic" in english.lower():
                assert not re.search(other, " ".join(forms(message)).lower()), english


@pytest.mark.parametrize(("lang", "torn"), [("lv", r"(?i)\be-past"), ("lt", r"(?i)\bel\. pašt")])
def test_no_line_ends_within_the_word_for_e_mail(lang: str, torn: str) -> None:
    """The hyphen of "e‑pasts" and the blank of "el. paštas" hold, in the demo clinics too."""
    written = [text for message in messages(lang) if message.id for text in forms(message)]
    for document in sorted((ROOT / "infra" / "clinics").glob("*.yaml")):
        written += document.read_text(encoding="utf-8").splitlines()
    for text in written:
        assert not re.search(torn, text), text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_name_that_is_filled_in_stands_in_no_quotes(lang: str) -> None:
    """A clinic's name may have quotes of its own, and two pairs would close at once."""
    for message in messages(lang):
        for text in forms(message) if message.id else ():
            assert not re.search(r"[„“«”]%\(name\)s|%\(name\)s[“”»]", text), text
