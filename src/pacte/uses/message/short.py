"""Short texts: how many parts a network makes of one, and writing it so that they stay few.

Source: 3GPP TS 23.038 (the default alphabet and its extension), TS 23.040 (parts of a text that is too long for one).
"""

from __future__ import annotations

_ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Written as two."""
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "…": "...", "–": "-", "—": "-",
                        "\u202f": " ", "\u00a0": " ", "ç": "Ç"})  # fmt: skip
_ONE, _OF_MANY = (160, 70), (153, 67)
"""Characters of a text in one part, and of each part of a longer one: in the default alphabet, and in UCS-2."""


def plain(text: str) -> str:
    """The text with the printer's signs as a telephone types them.

    >>> plain("L’atelier vous attend, " * 7) == "L'atelier vous attend, " * 7
    True
    """
    return text.translate(_PLAIN) if segments(text.translate(_PLAIN)) < segments(text) else text


def segments(text: str) -> int:
    """How many parts a network makes of the text, each of which is paid.

    >>> segments("a" * 160), segments("a" * 161), segments("ê" * 70), segments("ê" * 71)
    (1, 2, 1, 2)
    """
    basic = all(one in _ALPHABET or one in _EXTENDED for one in text)
    units = sum(1 + (one in _EXTENDED) for one in text) if basic else len(text.encode("utf-16-be")) // 2
    wide = not basic
    return 1 if units <= _ONE[wide] else -(-units // _OF_MANY[wide])
