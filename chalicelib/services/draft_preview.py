"""A draft as patients would see it: the consent page and the full notice on one page, marked, and
never to be sent.

Who approves a text approves what patients will read, not the file it is written in.
"""

from collections.abc import Mapping

from chalicelib.domain.instants import Instant
from chalicelib.notices.edition import PublishedEdition
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import unfolded
from chalicelib.store.shown_pages import BLANK, ShownPages

DRAFT_PAGE = "pages/draft.html"


def draft_page(
    ready: PublishedEdition,
    lang: str,
    at: Instant,
    *,
    approver: str | None = None,
    addresses: Mapping[str, str],
) -> Page:
    """Render a draft in a language, as its first day would show it.

    `addresses` are the same page in each language; `approver` is who approved this very text, if
    anybody did.
    """
    filled = {
        **BLANK,
        "approver": approver,
        "addresses": addresses,
        "article": unfolded(ready.notices[lang]),  # whoever approves it reads all of it
    }
    return ShownPages.page(DRAFT_PAGE, ready.clinic.open_at(max(at, ready.starts)), lang, **filled)
