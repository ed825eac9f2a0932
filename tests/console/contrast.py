"""Text that is hard to read: its colour too close to what lies behind it (WCAG 2.2, success criterion 1.4.3)."""

from __future__ import annotations

from playwright.sync_api import Page

_LOOK = r"""
() => {
  const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a));
  };
  const light = (c) => {
    const [r, g, b] = c.map((x) => (x / 255 <= 0.03928 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(e);
    const unseen = !e.getClientRects().length || style.visibility === "hidden";
    if (!own || unseen || e.closest("[disabled], .hidden, svg, option, script, style")) continue;
    const below = behind(e), ink = over(parse(style.color), below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      faint.push(`${e.tagName.toLowerCase()}.${e.className} ${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
    }
  }
  return faint;
}
"""


def too_faint(page: Page) -> list[str]:
    """Every piece of text on a page with less than 4.5 : 1 (3 : 1 when it is large), with its ratio."""
    found: list[str] = page.evaluate(_LOOK)
    return found
