"""The languages of the portal. A language more is one line here and its catalog in `locales/`.

Everything else follows from this list: what pages offer, what a clinic's document may name, the
catalogs that are compiled and shipped, Babel's data in the bundle, the languages in the API's
description.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Language(NamedTuple):
    """A language: its code (BCP 47), its own name, and a territory (ISO 3166)."""

    code: str
    endonym: str
    territory: str
    """Whose way of writing dates is followed; in Britain, say, a day comes before its month."""

    @property
    def locale(self) -> str:
        """The name of its locale in CLDR, as Babel spells it: ``lv_LV``."""
        return f"{self.code}_{self.territory}"


BY_CODE: Mapping[str, Language] = {
    language.code: language
    for language in (
        Language("lv", "Latviešu", "LV"),
        Language("lt", "Lietuvių", "LT"),
        Language("ka", "ქართული", "GE"),
        Language("ru", "Русский", "RU"),
        Language("en", "English", "GB"),
    )
}
"""The languages in the order in which pages offer them."""

LANGUAGES = tuple(BY_CODE)
"""Their codes."""

ENDONYMS: Mapping[str, str] = {language.code: language.endonym for language in BY_CODE.values()}
"""Each language under its own name; no flags, because a flag is a country."""
