import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = Path(__file__).resolve().parents[2] / "chalicelib"
CORE = (
    *(
        f"{room}.py"
        for room in (
            "consent",
            "notice",
            "contact",
            "instants",
            "forms",
            "body",
            "bodies",
            "invitations",
            "bearer",
            "limits",
            "qr",
            "proof",
        )
    ),
    *(
        f"{room}.py"
        for room in (
            "receipts",
            "timeline",
            "limits",
            "links",
            "letters",
            "reports",
            "dossier",
            "renditions",
            "clinic_document",
            "meaning",
            "publication",
            "schedule",
            "due",
        )
    ),
    *(f"{room}.py" for room in ("ages", "articles", "budgets", "guardians", "identity", "lines", "phones")),
    *(str(path.relative_to(ROOMS)) for room in ("formats", "typeset") for path in sorted((ROOMS / room).glob("*.py"))),
)
OUTSIDE = {"chalice", "boto3", "botocore", "pynamodb", "os", "time"}
READS_THE_CLOCK = {"now", "utcnow", "today"}


def imports(path: Path) -> Iterator[str]:
    """Give the full names a module imports, wherever in it they stand."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", CORE)
def test_the_core_knows_no_framework_no_environment_and_no_clock(room: str) -> None:
    """What was decided can be recomputed years later from its arguments alone."""
    path = ROOMS / room
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    called = {function.attr for function in calls if isinstance(function, ast.Attribute)}
    assert not {name.partition(".")[0] for name in imports(path)} & OUTSIDE
    assert not called & READS_THE_CLOCK
    assert not [name for name in imports(path) if name.startswith(("chalicelib.store", "chalicelib.routes"))]


def test_one_file_alone_knows_pynamodb() -> None:
    """The table can be changed, or its library, by reading one file."""
    knowing = {path.name for path in ROOMS.rglob("*.py") if any(name.startswith("pynamodb") for name in imports(path))}
    assert knowing == {"table.py"}


def test_nothing_loads_what_makes_paper_before_paper_is_asked_for() -> None:
    """A patient who only wants to answer does not wait for fonts."""
    for path in ROOMS.rglob("*.py"):
        if path.parent.name not in {"formats", "typeset"}:
            loaded = {
                f"{node.module}.{name.name}" if isinstance(node, ast.ImportFrom) else name.name
                for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in node.names
            }
            assert not [name for name in loaded if name.startswith(("chalicelib.formats", "chalicelib.typeset"))], path


def test_routes_never_import_each_other_and_nothing_behind_them_imports_routes() -> None:
    """Imports point one way, so a page can be read without reading the others."""
    importing = {
        path.name for path in ROOMS.rglob("*.py") for name in imports(path) if name.startswith("chalicelib.routes")
    }
    assert not importing
