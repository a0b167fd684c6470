"""Forms in the policy: what asks for a yes may ask for nothing else, and must tell of it first."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.app.templates import policy_text
from pacte.consent.form.fragment import canonical, digest
from pacte.consent.form.values import KNOWN, asking
from pacte.kernel.errors import NotFound, PolicyError
from pacte.policy.compile import compile_policy
from pacte.policy.diff import differences
from pacte.policy.document import load_policy, load_policy_text

SHOP = policy_text("shop")


def changed(*pairs: tuple[str, str]) -> str:
    """The shop's policy with these words replaced below `forms:`."""
    head, mark, forms = SHOP.partition("\nforms:\n")
    for old, new in pairs:
        assert old in forms, old
        forms = forms.replace(old, new, 1)
    return head + mark + forms


def problems(text: str) -> list[str]:
    """What is wrong with a policy."""
    with pytest.raises(PolicyError) as found:
        load_policy_text(text)
    return list(found.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{newsletter: [email]}", "{order_service: [email]}", "rests on `contract`"),
        ("{newsletter: [email]}", "{similar_offers: [email]}", "rests on `legitimate_interests`"),
        ("{newsletter: [email]}", "{newsleter: [email]}", "did you mean `newsletter`?"),
        ("{newsletter: [email]}", "{newsletter: []}", "a yes to `newsletter` is for one channel"),
        ("{newsletter: [email]}", "{newsletter: [phone]}", "does not use the channel `phone`"),
        ("{newsletter: [email]}", "{newsletter: [sms]}", "no field under `asks`"),
        ("{newsletter: [email]}", "{newsletter: [email], ticked: [email]}", "GDPR Art. 4(11); CJEU C-673/17"),
        ("    over: 15", "    pre_ticked: yes\n    over: 15", "no box is ticked beforehand"),
        ("    over: 15", "    over: 17", "no rule knows this age"),
        ("    over: 15", "    notices: [web-2022, web-2024-en]\n    over: 15", "does not tell of `newsletter`"),
        ("    over: 15", "    notices: [paper-2023, web-2024-en]\n    over: 15", "tells of `newsletter` without"),
        ("    over: 15", "    notices: [web-2024]\n    over: 15", "shows no notice in `en`"),
        ("    over: 15", "    notices: [web-2024, paper-2023]\n    over: 15", "a second notice in `fr`"),
        ("    over: 15", "    notices: [web-2025, web-2024-en]\n    over: 15", "unknown notice"),
        ("      customers.email: {fr: Votre adresse électronique, en: Your e-mail address}\n    over",
         "      customers.city: {fr: Votre ville, en: Your town}\n    over", "expected a field with `identity`"),
        ("      customers.email: {fr: Votre adresse électronique, en: Your e-mail address}\n    over",
         "      customers.first_name: {fr: Prénom, en: Name}\n    over", "GDPR Art. 7(1)"),
        ("title: {fr: Recevoir la Lettre du Comptoir, en: Receive our newsletter}",
         "title: {fr: Recevoir la Lettre du Comptoir}", "lacks the text in `en`"),
        ("      necessary: no\n", "", "are the data necessary for it?"),
        ("      necessary: no\n", "      necessary: yes\n", "GDPR Art. 6(1)(b)"),
        ("      purpose: newsletter\n", "      purpose: statistics\n", "does not ask for `statistics`"),
    ],
)  # fmt: skip
def test_a_form_that_asks_wrongly_is_refused(old: str, new: str, said: str) -> None:
    """Each mistake is one, with its line and what to do."""
    found = problems(changed((old, new)))
    assert any(said in line for line in found), found
    assert all(line.startswith("policy.yaml:") for line in found)


@pytest.mark.parametrize("key", ["because", "otherwise", "lost"])
def test_a_benefit_answers_article_7_4(key: str) -> None:
    """Each question that is left open is asked, with the article."""
    head, mark, forms = SHOP.partition("\nforms:\n")
    lines, kept, skip = forms.splitlines(), [], False
    for line in lines:
        if line.strip() == f"{key}:":
            skip = True
        elif skip and not line.startswith("        "):
            skip = False
        if not skip:
            kept.append(line)
    found = problems(head + mark + "\n".join(kept) + "\n")
    assert len(found) == 1
    assert f"`{key}`" in found[0]
    assert "GDPR Art. 7(4)" in found[0]


def test_a_form_has_no_say_in_what_is_permitted() -> None:
    """The rules of a policy are the same with and without its forms; to add one changes nothing for anybody."""
    with_forms = compile_policy(load_policy_text(SHOP))
    without = compile_policy(load_policy_text(SHOP.partition("\nforms:\n")[0] + "\n"))
    assert with_forms.table.digest == without.table.digest
    assert differences(without, with_forms) == []


def test_what_a_form_shows_depends_on_the_policy_alone() -> None:
    """The same form twice is the same text; another language, reader or word is another digest."""
    compiled = compile_policy(load_policy_text(SHOP))
    form = asking(compiled, "account", "fr")
    assert canonical(form) == canonical(asking(compile_policy(load_policy_text(SHOP)), "account", "fr"))
    others = {
        digest(form),
        digest(asking(compiled, "account", "en")),
        digest(asking(compiled, "account", "fr", KNOWN)),
        digest(asking(compile_policy(load_policy_text(changed(("deux jours plus tard", "un jour plus tard")))),
                      "account", "fr")),
    }  # fmt: skip
    assert len(others) == 4
    assert "checked" not in canonical(form)
    with pytest.raises(NotFound):
        asking(compiled, "nothing", "fr")


def test_what_people_wrote_into_the_policy_is_no_markup() -> None:
    """A title with signs of HTML is shown as it is written."""
    text = changed(("Recevoir la Lettre du Comptoir", "'<script>alert(1)</script> & \"moi\"'"))
    shown = canonical(asking(compile_policy(load_policy_text(text)), "letter", "fr"))
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_an_extension_may_reword_a_form_and_leave_it_out(tmp_path: Path) -> None:
    """A company of a group words its own forms."""
    (tmp_path / "group.yaml").write_text(SHOP, encoding="utf-8")
    own = "pacte: 1\nextends: group.yaml\nwithout: [forms.account]\nforms:\n  letter:\n    over: 16\n"
    (tmp_path / "policy.yaml").write_text(own, encoding="utf-8")
    found = load_policy(tmp_path / "policy.yaml")
    assert list(found.forms) == ["letter"]
    assert found.forms["letter"].over == 16
