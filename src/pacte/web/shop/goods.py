"""What the sample shop sells, what goes with what, and which taste each thing speaks of: words of the shop, no data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pacte.testing.words import PRODUCTS


@dataclass(frozen=True, slots=True)
class Goods:
    """Something that the shop sells; the price in cents of a euro."""

    name: str
    cents: int


_PANTRY = {"flour": 490, "honey": 890, "roasted_tea": 650, "caramel": 720}
_SOLD = {name: Goods(name, cents) for name, cents in _PANTRY.items()}
_SOLD |= {name.replace(" ", "_"): Goods(name.replace(" ", "_"), cents) for name, cents in PRODUCTS}
GOODS: Mapping[str, Goods] = _SOLD
"""By name: the pantry, and what the fictional customers of the demo have bought."""

BESTSELLERS = tuple(GOODS[name] for name in (*_PANTRY, "teapot", "linen_apron", "bread_tin", "candle"))
"""What sells most: the same for everybody, and nobody's data were looked at for it."""
BASKET = ((GOODS["flour"], 2), (GOODS["honey"], 1))
"""What lies in the basket of the sample shop, and how many of each."""
CARRIAGE = 450

GOES_WITH: Mapping[str, tuple[str, ...]] = {
    "flour": ("caramel", "bread_tin"),
    "honey": ("roasted_tea", "teapot"),
    "roasted_tea": ("teapot", "honey"),
    "caramel": ("flour",),
    "notebook": ("fountain_pen",),
    "fountain_pen": ("notebook", "desk_lamp"),
    "wool_blanket": ("candle", "roasted_tea"),
    "teapot": ("roasted_tea", "honey"),
    "green_tea": ("teapot", "honey"),
    "desk_lamp": ("picture_book", "notebook"),
    "garden_shears": ("seed_box",),
    "seed_box": ("garden_shears", "wall_calendar"),
    "linen_apron": ("flour", "bread_tin"),
    "bread_tin": ("flour", "linen_apron"),
    "wooden_train": ("picture_book", "card_game"),
    "card_game": ("caramel", "wooden_train"),
    "picture_book": ("wooden_train", "desk_lamp"),
    "bicycle_bell": ("rain_cape",),
    "rain_cape": ("bicycle_bell", "travel_mug"),
    "travel_mug": ("roasted_tea", "camping_stove"),
    "soap_set": ("candle", "linen_apron"),
    "candle": ("soap_set", "wool_blanket"),
    "wall_calendar": ("notebook", "fountain_pen"),
    "camping_stove": ("travel_mug", "wool_blanket"),
}
TASTES: Mapping[str, tuple[str, ...]] = {
    "tea": ("green_tea", "teapot", "roasted_tea", "honey"),
    "reading": ("notebook", "fountain_pen", "desk_lamp", "picture_book", "wall_calendar"),
    "garden": ("seed_box", "garden_shears"),
    "cooking": ("bread_tin", "linen_apron", "flour", "caramel"),
    "play": ("card_game", "wooden_train"),
    "outdoors": ("travel_mug", "rain_cape", "bicycle_bell", "camping_stove"),
    "home": ("candle", "wool_blanket", "soap_set"),
}
"""The only tastes that are ever worked out, each by a list of harmless things; nothing else says anything here."""


def partner(names: Collection[str], but: Collection[str]) -> tuple[Goods, str] | None:
    """Something that goes with one of these, and which; nothing of `but`, the first of the names first."""
    pairs = ((one, of) for of in names for one in GOES_WITH.get(of, ()))
    return next(((GOODS[one], of) for one, of in pairs if one not in but), None)


def liked(bought: Collection[str], but: Collection[str]) -> tuple[Goods, str] | None:
    """The taste that most of what was bought speaks of, and something of it that is none of `but`."""
    counted = {taste: sum(one in things for one in bought) for taste, things in TASTES.items()}
    for taste in sorted(counted, key=lambda one: -counted[one]):
        found = next((one for one in TASTES[taste] if one not in but), None)
        if counted[taste] and found:
            return GOODS[found], taste
    return None
