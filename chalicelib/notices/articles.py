"""Which article asks for what a clinic's document must tell."""

import re

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


def article(place: str) -> str | None:
    """Tell which rule asks for what stands at a place; None for what only the portal needs."""
    parts = re.sub(r"\[\d+\]", "", place).split(".")
    return ARTICLES.get(".".join(parts[:2]), ARTICLES.get(parts[0]))
