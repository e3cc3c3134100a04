"""The first page as it is sent, styles and all: bytes after gzip, by clinic and language."""

import gzip
from typing import Any

from chalicelib.store.shown_pages import BLANK, CONSENT_PAGE, STEPS, ShownPages
from infra.local.demo import CLINICS
from infra.operator import publish

BUDGET = 8 * 1024


def run() -> dict[str, Any]:
    """Measure each page; give ``{"page_bytes": {"clinic lang": bytes, …, "budget": bytes}}``."""
    sizes = {}
    for path in sorted(CLINICS.glob("*.yaml")):
        clinic = publish.read_file(path).clinic
        for lang in clinic.languages:
            fields = {**BLANK, "state": "x" * 260}
            page = ShownPages.page(STEPS[CONSENT_PAGE].page, clinic, lang, **fields)
            compressed = gzip.compress(page.encode(), 6)
            sizes[f"{clinic.id} {lang}"] = len(compressed)
    largest = max(sizes, key=lambda name: sizes[name])
    size = sizes[largest]
    print(f"  first page, compressed: at most {size:,} bytes ({largest}; budget {BUDGET:,})")
    return {"page_bytes": {**sizes, "budget": BUDGET}}
