"""Prompts are hostile: how untrusted text is made inert before a person sees it.

Terminal control bytes become visible escapes, bidirectional overrides and other invisible format
characters too, so that what is shown is what was given. HTML is escaped by the page's own templates.
"""

import unicodedata


def inert(text: str, *, limit: int | None = None) -> str:
    """`text` with control and format characters shown as escapes, on one line, cut to `limit` characters.

    Safe to print to a terminal and to pass to `rich.text.Text` (never to rich markup).
    """
    shown = "".join(_visible(character) for character in text)
    if limit is not None and len(shown) > limit:
        return shown[: max(limit - 1, 0)] + "…"
    return shown


def _visible(character: str) -> str:
    if character == "\n":
        return "⏎"
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character
