"""Where the focus is: each step by Tab must show it, dark enough and on the screen."""

import re
from typing import Any

from playwright.sync_api import Page

BEHIND = """
  const behind = (each) => {
    const colour = getComputedStyle(each).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" && each.parentElement ? behind(each.parentElement) : colour;
  };
"""
_FOCUSED = (
    "() => {"
    + BEHIND
    + """
  const each = document.activeElement, place = each.closest(".yn label, .tick") || each;
  const style = getComputedStyle(place), box = place.getBoundingClientRect();
  return {tag: each.tagName, name: each.name || "", value: each.value || "", id: each.id, text: each.textContent.trim(),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    colours: [style.outlineColor, behind(place.parentElement)],
    seen: box.width > 0 && box.top >= -1 && box.bottom <= innerHeight + 1};
}"""
)


def contrast(colour: str, other: str) -> float:
    """Give the contrast of two CSS colours `rgb(r, g, b)` (WCAG 2.2, relative luminance)."""
    light = []
    for each in (colour, other):
        parts = [int(part) / 255 for part in re.findall(r"\d+", each)[:3]]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        light.append(
            sum(
                weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
            )
        )
    return (max(light) + 0.05) / (min(light) + 0.05)


def tab(page: Page, key: str = "Tab") -> dict[str, Any]:
    """Go to the next place by Tab, or another key; tell what is in focus there."""
    page.keyboard.press(key)
    focused: dict[str, Any] = page.evaluate(_FOCUSED)
    assert focused["tag"] != "BODY", "Tab left the page before the work was done"
    assert focused["outlined"], f"one does not see the focus on {focused}"
    assert contrast(*focused["colours"]) >= 3, f"the focus is too pale on {focused}"
    assert focused["seen"], f"the focus is out of sight on {focused}"
    return focused
