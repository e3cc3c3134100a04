"""From simple HTML to a tagged PDF on A4: our own, since what exists is too heavy (docs/decisions/0004-pdf.md)."""
