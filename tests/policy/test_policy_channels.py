"""A channel is called the same wherever pacte speaks of it: on pages, in notices, and by the verifier alone."""

from __future__ import annotations

from pacte import verifier
from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.policy.channels import by, named, titled
from pacte.policy.vocabulary import CHANNELS


def test_every_channel_has_its_words_and_no_other_catalogue_has_any() -> None:
    """One catalogue, both languages, no words left over."""
    known = catalogue("policy")
    assert {key for key in known if key.startswith("channel.")} == {f"channel.{one}" for one in CHANNELS}
    assert {key for key in known if key.startswith("by.")} == {f"by.{one}" for one in (*CHANNELS, "other")}
    assert all(named(one, lang) and by(one, lang) for one in CHANNELS for lang in LANGUAGES)
    assert (by("email", "fr"), by("telegraph", "en"), titled(by("app", "fr"))) == (
        "par courriel",
        "by telegraph",
        "Dans l’application",
    )


def test_the_verifier_says_the_same() -> None:
    """It stands alone, with words of its own: they are these."""
    for channel in CHANNELS:
        assert verifier._WORDS[f"by_{channel}"] == (by(channel, "en"), by(channel, "fr"))
