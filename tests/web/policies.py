"""The shop's policy with more in it: a recipient of one level, and purposes of which less than each use is shown."""

from __future__ import annotations

from pacte.app.house import House
from pacte.app.publish import publish
from pacte.app.told import record_told
from pacte.kernel.ids import SubjectId

PURPOSES = """
  fraud_control:
    title: {fr: Lutte contre la fraude, en: Control of fraud}
    reason: {fr: Repérer les commandes frauduleuses., en: To find fraudulent orders.}
    basis: legitimate_interests
    balancing: {reference: LIA-9, on: 2026-01-12}
    kind: security
    uses: [orders.amount]
    retention: {keep: 1 year, from: collection}
    disclosure:
      level: summary
      reason:
        fr: Montrer chaque contrôle apprendrait à le déjouer.
        en: To show each check would teach how to get round it.
      source: RGPD art. 15(4), 23(1)(d)

  returns_control:
    title: {fr: Contrôle des retours, en: Control of returns}
    reason: {fr: Repérer les retours abusifs., en: To find abusive returns.}
    basis: legitimate_interests
    balancing: {reference: LIA-10, on: 2026-01-12}
    kind: security
    uses: [orders.amount]
    retention: {keep: 1 year, from: collection}
    disclosure:
      level: deferred
      delay: 90 days
      reason:
        fr: Le dire aussitôt gênerait le contrôle.
        en: To say so at once would hinder the check.
      source: RGPD art. 15(4), 23(1)(d)
"""
_TOLD = "".join(
    f"\n      {name}: [purchase, purchase_habit]"
    for name in ("this_purchase", "my_history", "my_tastes", "fraud_control", "returns_control")
)
_SAYS = (
    "\n      fraud_control: [objection]\n      returns_control: [objection]\n      my_history: [technology, transfer]"
)
_SAYS += "\n      my_tastes: [technology]"
NOTICES = "".join(
    f"""
  more-2026-{lang}:
    locale: {lang}
    version: "4"
    effective: 2026-10-01
    tells:{_TOLD}
    says:{_SAYS}
    text: |
      {text}
"""
    for lang, text in (
        ("fr", "Nous choisissons ce que nous vous montrons, si vous le voulez, et contrôlons les fraudes."),
        ("en", "We choose what we show you, if you want it, and control fraud."),
    )
)


def richer(house: House, *, without: str = "") -> None:
    """Publish the shop's policy with all of this in it; `without` leaves one of its own purposes out."""
    file = house.path / "policy.yaml"
    text = file.read_text(encoding="utf-8")
    if "fraud_control:" not in text:
        text = text.replace("\npurposes:\n", f"\npurposes:\n{PURPOSES}", 1)
        before, mark, history = text.partition("\n  my_history:\n    title")
        text = before + mark + history.replace("    uses:", "    recipients: [mailer]\n    uses:", 1)
        text = text.replace("\nnotices:\n", f"\nnotices:\n{NOTICES}", 1)
    if without:
        before, _, rest = text.partition(f"\n  {without}:\n    title")
        end = rest.index("\n\n")
        text = before + rest[end:]
    file.write_text(text, encoding="utf-8")
    publish(house, "owner")


def tell(house: House, subject: SubjectId) -> None:
    """Record that somebody was told of the purposes that this policy adds."""
    with house.reading() as conn:
        from pacte.app.choose import published

        notice = published(conn, house.present(conn)).document.notices["more-2026-fr"]
    record_told(house, subject, notice.digest)
