"""What the fictional people said, with changes of mind: every way in which an audience may include or exclude them.

Each adult lives one story; its name is the reason that a newsletter's funnel should show. Minors speak for themselves
and, where a parent is known, mostly through that parent too. Choices also touch the other purposes, so that the
histories look like those of a shop and not like those of one newsletter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pacte.kernel.instant import Instant
from pacte.testing.people import Flags, Moments, Numbers, Strings, between, moment, strings

STORIES = {
    "double_opt_in": 0.20,
    "form": 0.165,
    "came_back": 0.03,
    "never_asked": 0.13,
    "refused": 0.10,
    "withdrawn": 0.095,
    "expired": 0.05,
    "objected": 0.03,
    "not_informed": 0.075,
    "weak": 0.07,
    "legacy": 0.04,
    "restricted": 0.008,
    "changed_twice": 0.007,
}
"""Story → share of the adults. `weak`: till, telephone, paper. `legacy`: only an old list says that they agreed."""

NAMES = list(STORIES)
NOTICES = ("v1", "v3", "v3-en", "paper", "levels", "levels-en")
"""The retailer's own names of its notices: what its files say; the mapping translates them."""
SIGNAL_SHARE = 0.14
YEAR = np.timedelta64(31_557_600, "s")
OLD_NOTICE = np.datetime64("2022-03-02", "s")
CARD = np.datetime64("2023-02-02", "s")
NEW_NOTICE = np.datetime64("2024-01-16", "s")
"""The days after which each notice of the policy template was in use."""
PARTNERS = ("cookery_school", "sugar_shack")
LEVELS = ("this_purchase", "my_history", "my_tastes")
"""The levels of personalisation, from little to much: a purpose each."""
LEVEL_SHARES = (0.94, 0.01, 0.01, 0.02, 0.02)
"""Of those who talk: who said nothing about levels, wants none, and who chose each of the three."""
NOWHEN = np.datetime64("NaT", "s")


@dataclass(frozen=True, slots=True)
class Beginnings:
    """How the retailer met each person: their story, when they signed up, the notice they saw (`""`: none known)."""

    story: Numbers
    signup: Moments
    notice: Strings


@dataclass(slots=True)
class Choices:
    """Rows of a choice history as they are drawn; `columns()` gives them in the order in which they were recorded."""

    parts: list[dict[str, Strings]] = field(default_factory=list)

    def add(
        self,
        who: Numbers,
        purpose: str,
        act: str | Strings,
        when: Moments,
        method: str | Strings,
        grade: str | Strings,
        *,
        recorded: Moments | None = None,
        notice: str | Strings = "",
        voice: str = "self",
        authenticated: int | Numbers = 1,
        channel: str = "",
        recipient: str | Strings = "",
        signal: str = "",
    ) -> None:
        """One row for each position in `who`; `when` may be `NaT` (undated), `recorded` is `when` if not given."""
        told = when if recorded is None else recorded
        row = {"who": who, "purpose": purpose, "act": act, "when": when, "recorded": told, "channel": channel}
        row |= {"recipient": recipient}
        row |= {"method": method, "grade": grade, "notice": notice, "voice": voice, "authenticated": authenticated}
        row |= {"signal": signal}
        self.parts.append({name: _fill(value, len(who)) for name, value in row.items()})

    def columns(self) -> dict[str, Strings]:
        """All rows, column by column, sorted by the moment at which the retailer recorded them."""
        whole = {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
        order = np.argsort(whole["recorded"], kind="stable")
        return {name: column[order] for name, column in whole.items()}


def beginnings(rng: np.random.Generator, region: Numbers, minor: Flags, now: Instant) -> Beginnings:
    """Give every person a story and a first meeting that fits it."""
    story = rng.choice(len(NAMES), size=len(region), p=np.array(list(STORIES.values())) / sum(STORIES.values()))
    california = region == 2
    story[california & (story == NAMES.index("not_informed"))] = NAMES.index("never_asked")
    story[minor] = NAMES.index("form")  # their own yes; the rest of their story depends on age and parent
    end, old = moment(now), is_story(story, "not_informed", "expired")
    young = is_story(story, "never_asked", "legacy") | (~old & (rng.random(len(region)) < 0.6)) | (california & ~old)
    start = np.where(young, NEW_NOTICE, min(OLD_NOTICE, end - 4 * YEAR))
    stop = np.where(young, end - YEAR / 12, min(NEW_NOTICE, end - 3 * YEAR))
    signup = between(rng, start.astype("datetime64[s]"), stop.astype("datetime64[s]"))
    notice = np.where(signup < NEW_NOTICE, "v1", np.where(california, "v3-en", "v3")).astype(object)
    paper = (signup > CARD) & (signup < NEW_NOTICE) & ~old & (rng.random(len(region)) < 0.15)
    notice[paper] = "paper"
    return Beginnings(story, signup, notice)


def histories(
    rng: np.random.Generator, region: Numbers, minor: Flags, parent: Numbers, begun: Beginnings, now: Instant
) -> Choices:
    """Two years of choices (and older ones that have expired) for everybody."""
    choices = Choices()
    scene = _Scene(rng, region, begun, moment(now), choices)
    for tell in (_given, _came_back, _refused, _withdrawn, _expired, _objected, _weak, _restricted, _others):
        tell(scene, ~minor)
    _levels(scene, ~minor)
    _signals(scene, ~minor)
    _minors(scene, np.flatnonzero(minor), parent)
    return choices


def is_story(story: Numbers, *names: str) -> Flags:
    """Whether each person lives one of the named stories."""
    return np.isin(story, [NAMES.index(name) for name in names])


@dataclass(frozen=True, slots=True)
class _Scene:
    rng: np.random.Generator
    region: Numbers
    begun: Beginnings
    now: np.datetime64
    choices: Choices

    def cast(self, adults: Flags, *names: str) -> Numbers:
        return np.flatnonzero(is_story(self.begun.story, *names) & adults)

    def asked(self, who: Numbers, share_at_signup: float = 0.5) -> Moments:
        """When people were first asked under the present notice: at sign-up, or at some later moment."""
        first = np.maximum(np.maximum(self.begun.signup[who], NEW_NOTICE), self.now - 2 * YEAR)
        later = between(self.rng, first, np.asarray(self.now - YEAR / 6))
        return np.where(self.rng.random(len(who)) < share_at_signup, first, later)

    def later(self, since: Moments) -> Moments:
        return between(self.rng, since + np.timedelta64(3_600, "s"), np.asarray(self.now - np.timedelta64(1, "D")))

    def notice(self, who: Numbers) -> Strings:
        return np.where(self.region[who] == 2, "v3-en", "v3").astype(object)


def _given(scene: _Scene, adults: Flags) -> None:
    for story, method in (("double_opt_in", "double_opt_in_link"), ("form", "web_form")):
        who = scene.cast(adults, story)
        when = scene.asked(who)
        notice = scene.notice(who)
        scene.choices.add(who, "newsletter", "given", when, method, story, notice=notice, channel="email")
        # A yes for mails is no yes for text messages; some gave both, and some of those take the second back.
        both = scene.rng.random(len(who)) < 0.25
        texted = when[both]
        scene.choices.add(
            who[both], "newsletter", "given", texted, "web_form", "form", notice=notice[both], channel="sms"
        )
        few = scene.rng.random(len(texted)) < 0.2
        scene.choices.add(
            who[both][few], "newsletter", "withdrawn", scene.later(texted[few]), "web_form", "form", channel="sms"
        )


def _came_back(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "came_back", "changed_twice")
    first = scene.asked(who, 1.0)
    second = scene.later(first)
    third = scene.later(second)
    notice = scene.notice(who)
    scene.choices.add(who, "newsletter", "given", first, "web_form", "form", notice=notice)
    scene.choices.add(who, "newsletter", "withdrawn", second, "web_form", "form")
    scene.choices.add(who, "newsletter", "given", third, "double_opt_in_link", "double_opt_in", notice=notice)
    again = is_story(scene.begun.story[who], "changed_twice")
    scene.choices.add(who[again], "newsletter", "withdrawn", scene.later(third[again]), "phone", "attested")


def _refused(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "refused")
    scene.choices.add(who, "newsletter", "refused", scene.asked(who), "web_form", "form", notice=scene.notice(who))


def _withdrawn(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "withdrawn")
    when = scene.asked(who, 0.8)
    scene.choices.add(who, "newsletter", "given", when, "web_form", "form", notice=scene.notice(who))
    written = scene.rng.random(len(who)) < 0.15
    stop = scene.later(when)
    scene.choices.add(who[~written], "newsletter", "withdrawn", stop[~written], "web_form", "form")
    letters = who[written]
    undated = np.full(len(letters), NOWHEN)
    scene.choices.add(letters, "newsletter", "withdrawn", undated, "letter", "paper", recorded=stop[written])


def _expired(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "expired")
    when = np.maximum(scene.begun.signup[who], scene.now - 5 * YEAR)
    scene.choices.add(who, "newsletter", "given", when, "web_form", "form")
    # They were told of everything when they were asked about partners, later; the old agreement has run out since.
    scene.choices.add(
        who,
        "partner_offers",
        "refused",
        scene.asked(who, 0.2),
        "web_form",
        "form",
        notice=scene.notice(who),
        recipient=PARTNERS[0],
    )


def _objected(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "objected")
    when = scene.asked(who)
    stop = scene.later(when)
    scene.choices.add(who, "newsletter", "given", when, "web_form", "form", notice=scene.notice(who))
    everything = scene.rng.random(len(who)) < 0.4
    scene.choices.add(who[everything], "*", "objected", stop[everything], "letter", "paper")
    scene.choices.add(who[~everything], "newsletter", "objected", stop[~everything], "phone", "attested")


def _weak(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "weak")
    when = scene.asked(who)
    how = scene.rng.choice(3, size=len(who), p=(0.45, 0.25, 0.3))
    notice = scene.notice(who)
    for kind, method in enumerate(("till", "phone")):
        here = how == kind
        scene.choices.add(
            who[here],
            "newsletter",
            "given",
            when[here],
            method,
            "attested",
            notice=notice[here],
            authenticated=(scene.rng.random(int(here.sum())) < 0.7).astype(np.int64),
        )
    forms = how == 2
    # A paper form is typed in weeks or months after it was signed: what we knew is not what was true.
    typed = np.minimum(when[forms] + np.timedelta64(45, "D"), scene.now - np.timedelta64(1, "D"))
    scene.choices.add(
        who[forms], "newsletter", "given", when[forms], "paper", "paper", recorded=typed, notice=notice[forms]
    )


def _restricted(scene: _Scene, adults: Flags) -> None:
    who = scene.cast(adults, "restricted")
    when = scene.asked(who, 1.0)
    scene.choices.add(who, "newsletter", "given", when, "web_form", "form", notice=scene.notice(who))
    held = scene.later(when)
    scene.choices.add(who, "*", "restricted", held, "letter", "attested")
    over = scene.rng.random(len(who)) < 0.2
    scene.choices.add(who[over], "*", "restriction_lifted", scene.later(held[over]), "staff", "attested")


def _others(scene: _Scene, adults: Flags) -> None:
    """What people said about the other purposes."""
    talkers = np.flatnonzero(adults & ~is_story(scene.begun.story, "not_informed", "expired"))
    notice = scene.notice(talkers)
    for purpose, act, share in (
        ("partner_offers", "refused", 0.55),
        ("partner_offers", "given", 0.15),
        ("statistics", "objected", 0.04),
        ("similar_offers", "objected", 0.09),
    ):
        said = scene.rng.random(len(talkers)) < share
        who = talkers[said]
        when = scene.asked(who, 0.7)
        sure = purpose == "partner_offers" and act == "given"
        partner = scene.rng.choice(strings(PARTNERS), size=len(who)) if purpose == "partner_offers" else ""
        scene.choices.add(
            who,
            purpose,
            act,
            when,
            "double_opt_in_link" if sure else "web_form",
            "double_opt_in" if sure else "form",
            notice=notice[said],
            recipient=partner,
        )
        if act == "objected":
            back = scene.rng.random(len(who)) < 0.1
            scene.choices.add(who[back], purpose, "objection_lifted", scene.later(when[back]), "web_form", "form")


def _levels(scene: _Scene, adults: Flags) -> None:
    """How much the shop may choose for those who answered: a yes up to their level and a no beyond, said at once."""
    rng = scene.rng.spawn(1)[0]  # beside the others' draws, which stay as they are
    talkers = np.flatnonzero(adults & is_story(scene.begun.story, "double_opt_in", "form", "came_back", "refused"))
    chosen = rng.choice(len(LEVEL_SHARES), size=len(talkers), p=LEVEL_SHARES) - 1
    who, level = talkers[chosen >= 0], chosen[chosen >= 0]
    first = np.maximum(np.maximum(scene.begun.signup[who], NEW_NOTICE), scene.now - YEAR)
    when = between(rng, first, np.asarray(scene.now))
    notice = np.where(scene.region[who] == 2, "levels-en", "levels").astype(object)
    for place, purpose in enumerate(LEVELS):
        act = np.where(level > place, "given", "refused").astype(object)
        scene.choices.add(who, purpose, act, when, "web_form", "form", notice=notice)


def _signals(scene: _Scene, adults: Flags) -> None:
    """Some Californians browse with the Global Privacy Control switched on."""
    here = (scene.region == 2) & adults & is_story(scene.begun.story, "double_opt_in", "form", "never_asked", "weak")
    who = np.flatnonzero(here & (scene.rng.random(len(here)) < SIGNAL_SHARE))
    scene.choices.add(who, "*", "objected", scene.later(scene.asked(who)), "signal", "form", signal="gpc")


def _minors(scene: _Scene, who: Numbers, parent: Numbers) -> None:
    when = scene.asked(who)
    notice = scene.notice(who)
    scene.choices.add(who, "newsletter", "given", when, "web_form", "form", notice=notice)
    agrees = (parent[who] >= 0) & (scene.rng.random(len(who)) < 0.7)
    said = scene.later(when[agrees])
    scene.choices.add(
        who[agrees], "newsletter", "given", said, "web_form", "form", notice=notice[agrees], voice="guardian"
    )
    regret = scene.rng.random(int(agrees.sum())) < 0.1
    scene.choices.add(
        who[agrees][regret],
        "newsletter",
        "withdrawn",
        scene.later(said[regret]),
        "web_form",
        "form",
        voice="guardian",
    )


def _fill(value: object, rows: int) -> Strings:
    whole = np.asarray(value)
    if whole.dtype.kind in "US":
        whole = whole.astype(object)
    return np.asarray(np.broadcast_to(whole, (rows,)))
