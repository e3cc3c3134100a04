"""From simple HTML to a tagged PDF on A4: our own, because what exists is too heavy here (docs/decisions/0004-pdf.md)."""
