"""The receiver that docs/webhooks.md shows does what the document says."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.domain.instants import instant
from chalicelib.domain.webhooks import EventType, WebhookDelivery
from chalicelib.messages import webhooks

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "webhooks.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def the_receiver() -> Any:
    """Give the function of the document's only snippet in Python."""
    [snippet] = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1:]
    names: dict[str, Any] = {}
    exec(snippet.partition("```")[0], names)  # noqa: S102 - the document's own text
    return names["receive"]


def a_call(version: int, secret: str = SECRET) -> tuple[str, dict[str, str]]:
    """Give body and headers of one call, as the portal writes them."""
    delivery = WebhookDelivery(
        f"msg_{version}",
        "riga-aesthetics",
        "tool",
        "made",
        EventType.WITHDRAWN,
        "2026-11-22T08:15:00.000Z",
        "anna",
        "r",
        version,
        ("newsletter.email",),
    )
    content = webhooks.payload(delivery)
    return content, webhooks.headers(delivery, content, [secret], instant(datetime.now(UTC)))


def test_the_receiver_verifies_drops_repetitions_and_asks_once_for_the_latest() -> None:
    """Whoever copies it does nothing twice, and nothing by an older word."""
    receive = the_receiver()
    applied: list[tuple[str, str]] = []
    seen: set[str] = set()
    latest: dict[str, int] = {}

    def take(call: tuple[str, dict[str, str]]) -> int:
        status: int = receive(
            *call, SECRET, seen, latest, lambda _: "current", lambda *done: applied.append(done)
        )
        return status

    second, first = a_call(2), a_call(1)
    assert [take(second), take(second), take(first)] == [204, 204, 204]
    assert applied == [("anna", "current")]
    assert latest == {"anna": 2}
    assert take(a_call(3, "whsec_" + "QUJD" * 8)) == 401
    forged = second[0].replace("anna", "bella")
    assert take((forged, second[1])) == 401
    assert json.loads(second[0])["data"]["version"] == 2
