"""The consent page as it travels: bytes after gzip, styles and all, for each clinic in each of its languages."""

import gzip
from typing import Any

from chalicelib.store.shown_pages import BLANK, CONSENT_PAGE, ShownPages
from infra.local.demo import CLINICS
from infra.operator import publish

BUDGET = 14 * 1024


def run() -> dict[str, Any]:
    """Measure each page; give ``{"page_bytes": {"clinic lang": bytes, …, "budget": bytes}}``."""
    sizes = {}
    for path in sorted(CLINICS.glob("*.yaml")):
        clinic = publish.read_file(path).clinic
        for lang in clinic.languages:
            page = ShownPages.page(CONSENT_PAGE, clinic, lang, **{**BLANK, "state": "x" * 260})
            sizes[f"{clinic.id} {lang}"] = len(gzip.compress(page.encode(), 6))
    largest = max(sizes, key=lambda name: sizes[name])
    print(f"  consent page, compressed: at most {sizes[largest]:,} bytes ({largest}; budget {BUDGET:,})")
    return {"page_bytes": {**sizes, "budget": BUDGET}}
