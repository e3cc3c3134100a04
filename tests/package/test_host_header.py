"""The local portal as deployed: a forged Host changes no link that it sends or shows."""

import re
import urllib.error
import urllib.parse
import urllib.request

from tests.cast import RIGA
from tests.conftest import LocalStack
from tests.package.test_messages import arrived

FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "host=evil.example",
}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Stay where the answer is."""


def ask(url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
    """Send a request with forged headers; give its answer's headers and body as text."""
    body = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(url, body, {**FORGED, "Sec-Fetch-Site": "same-origin"})
    try:
        with urllib.request.build_opener(_NoRedirect).open(request) as answer:
            return str(answer.headers), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as answer:  # a redirect that was not followed
        return str(answer.headers), answer.read().decode(errors="replace")


def test_a_forged_host_is_in_no_message_page_or_header(local_stack: LocalStack) -> None:
    """Whoever has a clinic write to Anna cannot choose where its links lead.

    By 127.0.0.1 everything works.
    """
    email = "anna.forged.host@example.org"
    page = ask(f"{local_stack.base_url}/{RIGA}?lang=lv")
    [state] = re.findall(r'name="state" value="([^"]+)"', page[1])
    form = {"state": state, "decision.newsletter.email": "yes", "email": email}
    answers = [page, ask(f"{local_stack.base_url}/{RIGA}?lang=lv", form)]
    [message] = arrived(local_stack, email)
    links = {
        link
        for link in re.findall(r"https?://[^\s\"'<>]+", message["text"])
        if RIGA in link or "/confirm/" in link
    }
    assert links
    assert {link for link in links if link.startswith(f"{local_stack.base_url}/")} == links
    for text in (*answers, (str(message), "")):
        assert "evil.example" not in "".join(text)
