"""Normal forms: how an address is written before it is blinded, so that the same address gives the same blind value.

INVARIANT: changing a normal form makes blind values computed before unfindable: raise `NORM_VERSION` and index again.
Each function is idempotent. Errors never hold the value: they are raised outside the `except` block, so that not even
the error's context does. Source: RFC 5321 §2.4 (local parts keep their case in theory; no large provider does so).
"""

from __future__ import annotations

import contextlib
import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from pacte.kernel.errors import BadInput

NORM_VERSION = 1
MOST_WORDS = 2_000
"""How many words of a line are looked at for identifiers."""
LONGEST_ADDRESS = 320
"""Characters of the longest e-mail address. Source: RFC 5321 §4.5.3.1."""
_UNREADABLE = r"\x00-\x1f\x7f\ufeff\ufffd\udc80-\udcff"
"""Characters that stand in no identifier: control characters, marks, and what could not be decoded."""
_BETWEEN_FIELDS = rf",;|\"{_UNREADABLE}"
_BETWEEN_WORDS = rf"{_BETWEEN_FIELDS}\s'<>()\[\]{{}}:/\\="


def normalise_email(value: str) -> str:
    """The address in lower case, Unicode NFC, without surrounding space; raises `BadInput` if it is not an address.

    Nothing is looked up: a DNS query would tell others whom we know.

    >>> normalise_email(" Ada.Lovelace@Example.com ")
    'ada.lovelace@example.com'
    """
    try:
        found = validate_email(value.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        found = None
    if found is None:
        raise BadInput("not an e-mail address; expected a form such as `name@example.com`")
    return unicodedata.normalize("NFC", found.lower())


def normalise_phone(value: str, region: str) -> str:
    """The number in E.164; `region` (such as `FR`) is where a number without country code is dialled.

    Raises `BadInput` if no such number is possible. Source: ITU-T E.164.

    >>> normalise_phone("06 12 34 56 78", "FR")
    '+33612345678'
    """
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise BadInput(f"not a telephone number; expected `+33 1 23 45 67 89` or as it is dialled in `{region}`")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def normalise_key(value: str) -> str:
    """A source's own key for a person: Unicode NFC without surrounding space, case kept; `BadInput` if empty."""
    found = unicodedata.normalize("NFC", value).strip()
    if not found:
        raise BadInput("an empty key for a person; every row needs one")
    return found


def identifiers(line: str, delimiter: str = ",") -> list[tuple[str, str]]:
    """Whatever in a line that could not be read might name a person, as (field, normal form), sorted.

    Too much rather than too little: every field and every word may be a source's key. Only fingerprints of these are
    ever kept. Telephone numbers are left out: a household shares one.

    >>> identifiers('K1;"Ada@Example.com')
    [('email', 'ada@example.com'), ('key', 'Ada@Example.com'), ('key', 'K1')]
    """
    line = looked_at(line, delimiter)
    words = {part for marks in _marks(delimiter) for part in re.split(marks, line)}
    found = set()
    for word in words:
        with contextlib.suppress(BadInput):
            found.add(("key", normalise_key(word)))
        with contextlib.suppress(BadInput):
            found |= {("email", normalise_email(word))} if "@" in word and len(word) <= LONGEST_ADDRESS else set()
    return sorted(found)


def looked_at(line: str, delimiter: str = ",") -> str:
    """The beginning of a line in which `identifiers` looks for people; who is named behind it would not be found."""
    if len(line) < MOST_WORDS:
        return line
    _, words = _marks(delimiter)
    for number, mark in enumerate(re.finditer(words, line), 1):
        if number == MOST_WORDS:
            return line[: mark.start()]
    return line


def _marks(delimiter: str) -> tuple[str, str]:
    """What stands between fields, and what between words."""
    return f"[{re.escape(delimiter)}{_BETWEEN_FIELDS}]+", f"[{re.escape(delimiter)}{_BETWEEN_WORDS}]+"
