"""What each package of `chalicelib` may import; docs/architecture.md shows it as a picture."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "chalicelib"
FLAT = {"settings", "log", "portal", "snapshot", "entry"}
MAY_IMPORT = {
    "domain": set(),
    "presentation": {"domain"},
    "notices": {"presentation", "domain"},
    "receipts": {"presentation", "domain"},
    "store": {"receipts", "notices", "presentation", "domain", "log"},
    "messages": {"store", "receipts", "notices", "presentation", "domain", "log"},
    "services": {
        "portal",
        "messages",
        "store",
        "receipts",
        "notices",
        "presentation",
        "domain",
        "log",
    },
    "jobs": {
        "services",
        "portal",
        "messages",
        "store",
        "receipts",
        "notices",
        "presentation",
        "domain",
        "log",
    },
    "web": {
        "services",
        "portal",
        "messages",
        "store",
        "receipts",
        "notices",
        "presentation",
        "domain",
        "log",
    },
    "settings": {"domain"},
    "log": set(),
    "portal": {"settings", "messages", "store", "presentation", "domain"},
    "snapshot": {"portal", "domain", "log"},
    "entry": {"portal", "web", "snapshot"},
}
OUTSIDE = {"chalice", "boto3", "botocore", "pynamodb", "os", "time", "random"}
READS_THE_CLOCK = {"now", "utcnow", "today"}
NO_ERROR_OF_THE_PORTAL = {"SettingsError"}
"""Wrong settings stop the portal before it serves."""

MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Give the full names a module imports, wherever in it they stand."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def package(name: str) -> str:
    """Give the package, or the flat module, of a module's path or of a full name."""
    return name.removeprefix("chalicelib.").partition(".")[0]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_down(module: Path) -> None:
    """A rule of consent can be read without reading what serves, stores or sends it."""
    own = package(str(module.with_suffix("")).replace("/", "."))
    ours = {name for name in imports(module) if name.startswith("chalicelib.")}
    allowed = MAY_IMPORT.get(own, set()) | {own}
    assert not {name for name in ours if package(name) not in allowed}


def test_the_wings_of_the_web_do_not_import_each_other() -> None:
    """A page can be changed without reading the API, and the other way round."""
    wings = {"pages", "api", "staff"}
    for module in MODULES:
        if module.parts[0] == "web" and module.parts[1] in wings:
            others = tuple(f"chalicelib.web.{wing}." for wing in wings - {module.parts[1]})
            assert not [name for name in imports(module) if name.startswith(others)], module


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in MODULES
        if module.parts[0] in {"domain", "notices", "receipts", "presentation"}
    ],
    ids=str,
)
def test_the_core_knows_no_framework_no_environment_and_no_clock(module: Path) -> None:
    """What was decided can be recomputed years later from its arguments alone."""
    calls = [
        node.func
        for node in ast.walk(ast.parse((ROOT / module).read_text()))
        if isinstance(node, ast.Call)
    ]
    called = {function.attr for function in calls if isinstance(function, ast.Attribute)}
    assert not {name.partition(".")[0] for name in imports(module)} & OUTSIDE
    assert not called & READS_THE_CLOCK


def test_one_module_alone_knows_pynamodb_and_chalice_stays_in_the_web() -> None:
    """The table's library, or the web's, can be changed by reading one place."""
    knowing = {
        str(module)
        for module in MODULES
        if any(name.startswith("pynamodb") for name in imports(module))
    }
    assert knowing == {"store/queries.py"}
    serving = {
        module.parts[0]
        for module in MODULES
        if any(name.startswith("chalice.") for name in imports(module))
    }
    assert serving == {"web"}


def test_services_are_given_the_portal() -> None:
    """A service gets its portal as an argument, so that a test can call it with its own."""
    reaching = {
        module.parts[0].removesuffix(".py")
        for module in MODULES
        if any(name == "chalicelib.portal.get_portal" for name in imports(module))
    }
    assert reaching <= {"web", "jobs"}


def test_every_error_belongs_to_a_family() -> None:
    """A new error has a kind at once, so that the web knows its status."""
    parents: dict[str, set[str]] = {}
    for module in MODULES:
        for node in ast.walk(ast.parse((ROOT / module).read_text())):
            public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            if public and node.name.endswith("Error") and node.bases:
                parents[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    family = {"PortalError"}
    while grown := {name for name in parents if parents[name] & family} - family:
        family |= grown
    assert parents.keys() - family == NO_ERROR_OF_THE_PORTAL


def test_nothing_loads_what_makes_paper_before_paper_is_asked_for() -> None:
    """A patient who only wants to answer does not wait for a press."""
    makes_paper = (
        "chalicelib.receipts.formats.",
        "chalicelib.notices.paper_form",
        "chalicelib.presentation.print_content",
        "chalicelib.presentation.typesetting",
        "chalicelib.store.press_function",
    )
    light = ("chalicelib.receipts.formats.registry", "chalicelib.receipts.formats.issued")
    for module in MODULES:
        if module.parent.name == "formats" or module.name == "paper_form.py":
            continue
        loaded = {
            f"{node.module}.{name.name}" if isinstance(node, ast.ImportFrom) else name.name
            for node in ast.parse((ROOT / module).read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        assert not [
            name for name in loaded if name.startswith(makes_paper) and not name.startswith(light)
        ], module


def test_what_sets_papers_imports_nothing_of_the_portal() -> None:
    """The function that prints is made of one module: whoever broke into it finds nothing else."""
    assert not [
        name for name in imports(Path("presentation/typesetting.py")) if "chalicelib" in name
    ]


def test_packages_are_found_by_their_place_alone() -> None:
    """Nothing hides in an `__init__.py`: what a name stands for is in the module of that name."""
    assert not [path for path in ROOT.rglob("__init__.py") if path.read_text()]
