"""What was shown stays as it was shown, whatever becomes of the notice and of the portal's own
pages.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.web.client import Client
from tests.web.page_reader import Page, decide
from tests.web.running import RunningPortal

ROOT = Path(__file__).resolve().parents[3]
NEW_LOOK = "<p>A new look, of a later release.</p>"
ASK = """
import base64, json, sys
from tests.web.client import Client
client = Client()
bodies = {target: base64.b64encode(client.get(target).body).decode() for target in json.load(sys.stdin)}
print(json.dumps(bodies))
"""


def later_release(folder: Path, targets: Sequence[str]) -> Mapping[str, bytes]:
    """Ask a later release of the portal, whose templates have all changed, on the same table."""
    for name in ("chalicelib", "templates", "locales"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    changed = 0
    for page in ("base", "full_notice"):
        path = folder / "templates/pages" / f"{page}.html"
        old = path.read_text(encoding="utf-8")
        new = old.replace("<main", f"{NEW_LOOK}<main").replace("<article", f"{NEW_LOOK}<article")
        path.write_text(new, encoding="utf-8")
        changed += new != old
    assert changed == 2
    code = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\n{ASK}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        input=json.dumps(targets),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()[-1]  # before it stands the log
    return {target: base64.b64decode(body) for target, body in json.loads(told).items()}


def test_a_page_that_was_shown_is_given_back_byte_for_byte_after_notice_and_templates_changed(
    client: Client, portal: RunningPortal, tmp_path: Path
) -> None:
    """Today's site proves nothing about last year's: what the patient saw is kept itself (GDPR Art.
    7(1)).
    """
    clinic = portal.open_clinic().clinic
    shown: dict[str, bytes] = {}
    notices: dict[str, str] = {}
    for lang in ("lv", "ru", "en"):
        answer = decide(client, clinic, {"decision.newsletter.email": "no"}, f"?lang={lang}")
        link = next(link for link in Page(client.follow(answer)).links if "/shown/" in link)
        target = link.removeprefix(client.mount).partition("?")[0]
        shown[target] = client.get(target).body
        page = client.get(f"/{clinic}/notices/1.0?lang={lang}").text
        notices[lang] = page[page.index("<article") : page.index("</article>")]
    assert len(shown) == 3
    portal.republish(
        clinic,
        "2.0",
        lambda document: document["texts"]["intro"].update(en="Another text.", lv="Cits."),
    )
    asked = [
        *shown,
        f"/{clinic}?lang=en",
        *(f"/{clinic}/notices/1.0?lang={lang}" for lang in notices),
    ]
    with portal.tables.by_http():
        later = later_release(tmp_path, asked)
    assert NEW_LOOK in later[f"/{clinic}?lang=en"].decode()
    assert "Another text." in later[f"/{clinic}?lang=en"].decode()
    for target, body in shown.items():
        assert later[target] == body
        assert hashlib.sha256(body).hexdigest() == target.rpartition("/")[2]
    for lang, article in notices.items():
        page = later[f"/{clinic}/notices/1.0?lang={lang}"].decode()
        assert NEW_LOOK in page
        assert page[page.index("<article") : page.index("</article>")] == article
