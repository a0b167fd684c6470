"""What a program says in a person's name: its word is worth what it can show, and no more than its key vouches for.

A program knows what its own page did. It was not there when a confirmation link was followed, and a yes that names no
text proves nothing. A no needs no proof: none is lost for a detail. Source: GDPR Art. 4(11), 7(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pacte.app.choose import Choice, Recorded
from pacte.app.committer import Change, Moment
from pacte.consent.choices import GRADES, LOOSENING, STANDING, Unfit
from pacte.kernel import db
from pacte.policy.vocabulary import METHODS_OF_PARENTS

HIGHEST = "form"
"""The grade of proof up to which a program is believed without more."""
VOUCHED = frozenset({"double_opt_in_link", "undo", *METHODS_OF_PARENTS})
"""Methods by which somebody was recognised elsewhere: who says so vouches for it."""


def needs_voucher(act: str, details: Mapping[str, Any]) -> bool:
    """Whether only a key that vouches for what happened elsewhere may say this: it loosens, by a proof of its own."""
    strong = GRADES.get(str(details.get("grade", "none")), 0) > GRADES[HIGHEST] or details.get("method") in VOUCHED
    return act in LOOSENING and strong


@dataclass(frozen=True, slots=True)
class Told(Choice):
    """The verb: a choice that a program tells of. A yes names the notice; a form that it names was shown here."""

    def change(self, moment: Moment) -> Change[Recorded]:
        """As for any choice. Raises `Unfit` for a yes without a notice, or by a form that was never shown."""
        form = self.details.get("form")
        shown = form is None or bool(db.fetch(moment.conn, "SELECT 1 FROM form_shown WHERE form = ?", (form,)))
        if self.act not in LOOSENING:
            rest = {word: value for word, value in self.details.items() if word != "form" or shown}
            return Choice.change(replace(self, details=rest), moment)
        if self.act == "given" and self.purpose not in STANDING and not self.details.get("notice"):
            raise Unfit("notice", "a yes without the notice that was shown with it; name it as the policy does")
        if not shown:
            raise Unfit("form", "no form of this digest was shown here; name the one that was, or leave it out")
        return Choice.change(self, moment)
