"""How soon the first page is painted on an old phone with a slow line, beside a page with nothing.

Both come from the same server on this machine, packed, so that neither the local AWS nor its load
is counted: what is compared is what the page itself costs.
"""

import gzip
import statistics
import threading
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser

TIMES = 7
SLOWER = 4
"""How many times slower than here its processor is."""
SLOW_3G = {
    "latency": 400,
    "downloadThroughput": 50_000,
    "uploadThroughput": 50_000,
    "offline": False,
}
"""Milliseconds for each round trip, bytes a second: 400 kbit/s, as Lighthouse has it."""
BARE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Bare</title><h1>Bare page</h1></html>"
)
_PAINTED = """() => new Promise(done => new PerformanceObserver(list => {
  for (const each of list.getEntries())
    if (each.name === "first-contentful-paint") done(each.startTime);
}).observe({type: "paint", buffered: true}))"""


def first_paint(browser: Browser, address: str) -> str:
    """Tell when the page at an address is painted first, and a bare page, and their ratio."""
    with urllib.request.urlopen(address) as answer:
        page = answer.read().decode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _serving({"/page": page, "/bare": BARE}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        times = {name: _median(browser, f"{base}/{name}") for name in ("bare", "page")}
    finally:
        server.shutdown()
    ratio = times["page"] / times["bare"]
    return (
        f"First paint with a processor {SLOWER} times slower on slow 3G: {times['page']:.0f} ms, "
        f"a bare page {times['bare']:.0f} ms, ratio {ratio:.2f} (median of {TIMES})"
    )


def _median(browser: Browser, address: str) -> float:
    found = []
    for _ in range(TIMES):
        context = browser.new_context(viewport={"width": 360, "height": 740})
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_3G)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        page.goto(address)
        found.append(float(page.evaluate(_PAINTED)))
        context.close()
    return statistics.median(found)


def _serving(pages: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:
    packed = {path: gzip.compress(page.encode()) for path, page in pages.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with a page, or with nothing."""
            body = packed.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Encoding", "gzip" if body else "identity")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    return Handler
