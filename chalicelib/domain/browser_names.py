"""What a browser says it is (RFC 9110, 10.1.5), in a word or two that its owner knows it by."""

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""A part of what it says, and its name: the first that fits, for most say several."""

_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(agent: str) -> str:
    """Name a browser and its system, such as ``Chrome, Windows``; "" where nothing is known."""
    browser = _first_of(_BROWSERS, agent)
    system = _first_of(_SYSTEMS, agent)
    return ", ".join(filter(None, (browser, system)))


def _first_of(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for part, name in names if part in agent), "")
