"""The codes on the posters lead where they say, and every phone can read them."""

import io
import re

import pytest
from PIL import Image, ImageDraw

from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import catalog
from tests.cast import RIGA, TBILISI, environment
from tests.codes import code_in, codes_in
from tests.pdf_file import PdfFile
from tests.web.client import MOUNTS, Client
from tests.web.page_reader import Page
from tests.web.running import RunningPortal

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PIXELS = 12
KINDS = [("signup", "s"), ("withdraw", "w")]


def _drawn(svg: bytes) -> Image.Image:
    """Draw the code's SVG: a white ground and a square for each dark module."""
    text = svg.decode()
    width = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert width
    assert '<rect fill="white" x="0" y="0" width="100%" height="100%"' in text
    scale = 10
    side = round(float(width[1]) * scale)
    picture = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(picture)
    for left, top, right, bottom in re.findall(
        r"M([\d.]+),([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+z", text
    ):
        corners = [round(float(each) * scale) for each in (left, top, right, bottom)]
        pen.rectangle((corners[0], corners[1], corners[2] - 1, corners[3] - 1), fill=0)
    return picture


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize(("kind", "letter"), KINDS)
@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("", ""),
        ("?lang=lv", "-lv"),
        ("?lang=ru&src=desk", "-ru-desk"),
        ("?src=x9", "-x9"),
        ("?src=ru", "--ru"),
    ],
)
def test_a_code_holds_the_short_address_at_level_q_within_version_4(
    form: str, kind: str, letter: str, query: str, rest: str
) -> None:
    """Small, robust, with its quiet zone: readable from a wall and from a letter."""
    client = Client(MOUNTS["own-domain"], host="consent.example.org")
    answer = client.get(f"/{RIGA}/qr/{kind}.{form}{query}")
    picture = (
        Image.open(io.BytesIO(answer.body)).convert("L") if form == "png" else _drawn(answer.body)
    )
    (code,) = codes_in(picture)
    assert code.text == f"https://consent.example.org/q/ra-{letter}{rest}"
    assert code.ec_level == "Q"
    assert int(code.extra["Version"]) <= 4
    modules = 17 + 4 * int(code.extra["Version"])
    assert picture.width == picture.height == PIXELS * (modules + 8)
    quiet = PIXELS * 4
    inner = picture.crop((quiet, quiet, picture.width - quiet, picture.height - quiet))
    assert picture.point(lambda shade: 255 - shade).getbbox() == (
        quiet,
        quiet,
        quiet + inner.width,
        quiet + inner.height,
    )


@pytest.mark.parametrize(
    "accept",
    [None, BROWSER, "image/png", "image/avif,image/webp,image/*;q=0.8", "text/html", "*/*"],
)
@pytest.mark.parametrize(("form", "media"), [("png", "image/png"), ("svg", "image/svg+xml")])
def test_a_picture_arrives_whatever_the_browser_accepts(
    client: Client, accept: str | None, form: str, media: str
) -> None:
    """The address bar and an image tag alike."""
    answer = client.get(f"/{RIGA}/qr/signup.{form}?lang=lv", {"Accept": accept} if accept else {})
    assert answer.status == 200
    assert answer.headers["content-type"] == media
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.body.startswith(b"\x89PNG" if form == "png" else b"<?xml")


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(("kind", "path"), [("signup", ""), ("withdraw", "/withdraw")])
def test_scanning_a_code_leads_to_its_page_and_names_the_source(
    portal: RunningPortal, mount: str, kind: str, path: str
) -> None:
    """From poster to page in two steps, for every clinic and language, wherever the portal
    stands.
    """
    client = Client(MOUNTS[mount])
    for clinic in portal.api_keys:
        for lang in get_portal().directory.look_up(clinic).published.clinic.languages:
            address = code_in(client.get(f"/{clinic}/qr/{kind}.png?lang={lang}&src=hall").body)
            assert address.startswith(f"https://portal.example.org{client.mount}/q/")
            short = client.get(address.removeprefix(f"https://portal.example.org{client.mount}"))
            assert short.status == 302
            assert short.location == f"{client.mount}/{clinic}{path}?lang={lang}&src=hall&via=qr"


def test_a_portal_with_an_address_of_its_own_prints_that_one(
    portal: RunningPortal, client: Client
) -> None:
    """A code drawn through another address still leads to the one patients know."""
    with environment({"PUBLIC_URL": "https://consent.example.org/"}):
        get_portal.cache_clear()
        picture = client.get(f"/{RIGA}/qr/signup.png").body
    get_portal.cache_clear()
    assert code_in(picture) == "https://consent.example.org/q/ra-s"
    assert portal.program().states(phone="26123456")


@pytest.mark.parametrize(
    "code",
    ["RA-S-LV-DESK", "ra-s-lv-desk", "ra-s", "ra-s-desk", "ra-s--desk", "ra-s-xx", "ra-w-en-a-b-c"],
)
def test_a_short_address_typed_by_hand_works_too(client: Client, code: str) -> None:
    """In capitals, with an unknown language, without a source: the page opens."""
    answer = client.get(f"/q/{code}")
    assert answer.status == 302
    assert client.follow(answer).status == 200


SHEETS = ["signup.pdf", "withdraw.pdf", "both.pdf", "card.pdf", "stickers.pdf", "screen.svg"]


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("sheet", SHEETS[:5])
def test_the_codes_on_a_sheet_lead_to_the_page_and_name_the_place(mount: str, sheet: str) -> None:
    """In the language of whoever scans, where the sheet has several; wherever the portal stands."""
    client = Client(MOUNTS[mount])
    ways = {"s": f"/{RIGA}", "w": f"/{RIGA}/withdraw"}
    kept = {"signup.pdf": "s", "withdraw.pdf": "w"}.get(sheet, "sw")
    for query, lang in (("lang=ru,lv", ""), ("lang=lv", "lang=lv&"), ("", "")):
        answer = client.get(f"/{RIGA}/qr/{sheet}?{query}&src=Desk")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
        addresses = {*PdfFile(answer.body).codes()}
        led = {
            client.get(each.removeprefix(f"https://portal.example.org{client.mount}")).location
            for each in addresses
        }
        assert led == {f"{client.mount}{ways[each]}?{lang}src=desk&via=qr" for each in kept}


@pytest.mark.parametrize(
    ("query", "mm"), [("", 210), ("?size=a4", 210), ("?size=A5", 148), ("?size=a5&lang=lv", 148)]
)
def test_a_poster_has_the_size_that_was_asked_for(client: Client, query: str, mm: int) -> None:
    """A4 without a word; the file's name says what is in it."""
    answer = client.get(f"/{RIGA}/qr/withdraw.pdf{query}")
    [page] = PdfFile(answer.body).reader.pages
    assert float(page.mediabox.width) / 72 * 25.4 == pytest.approx(mm, abs=0.1)
    size = "a4" if mm == 210 else "a5"
    spoken = "lv" if "lang" in query else "lv-ru-en"
    named = f'inline; filename="{RIGA}-withdraw-{size}-{spoken}.pdf"'
    assert answer.headers["content-disposition"] == named


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize(
    "query", ["lang=xx", "lang=lv,xx", "lang=lv,ru,en,lv,zz", "src=%3Cscript%3E", "src=" + "x" * 33]
)
def test_what_cannot_be_printed_is_refused_with_what_can(
    client: Client, sheet: str, query: str
) -> None:
    """Whoever mistypes learns the clinic's languages, instead of hanging up the wrong sheet."""
    answer = client.get(f"/{RIGA}/qr/{sheet}?{query}", {"Accept-Language": "ka"})
    assert answer.status == 404
    page = Page(answer)
    assert page.lang == "ka"
    assert catalog("ka").gettext("Page not found") in page.words
    assert "lv, ru, en" in page.words


@pytest.mark.parametrize("name", ["signup.pdf", "card.pdf", "signup.svg", "screen.svg"])
@pytest.mark.parametrize("size", ["a3", "a4.", "210", "%00"])
def test_a_size_that_there_is_none_of_is_refused(client: Client, name: str, size: str) -> None:
    """The page names the two sizes, also where what was asked for has one size alone."""
    answer = client.get(f"/{RIGA}/qr/{name}?size={size}")
    assert answer.status == 404
    assert "a4 or a5" in Page(answer).words


@pytest.mark.parametrize(
    "name", ["poster.pdf", "card.svg", "screen.pdf", "screen.png", "both.svg", "signup.pdf.svg"]
)
def test_a_sheet_that_there_is_none_of_is_not_found(client: Client, name: str) -> None:
    """In the visitor's language."""
    answer = client.get(f"/{RIGA}/qr/{name}", {"Accept-Language": "lv"})
    assert answer.status == 404
    assert "Lapa nav atrasta" in Page(answer).words


def test_the_slide_loads_nothing_and_may_be_shown_on_the_clinics_website(client: Client) -> None:
    """A screen without the internet shows it whole, its logo too."""
    answer = client.get(f"/{TBILISI}/qr/screen.svg?src=hall")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "img-src data:;" in policy
    [logo] = re.findall(r'(?:href|src|url)[="(]+([^")]+)', answer.text)
    assert logo.startswith("data:image/svg+xml")
