"""Names, towns and products that the fictional people live with: invented, or the public name of a place."""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_FR = _words(
    "Agathe Bastien Camille Damien Élodie Fabrice Gaëlle Hugo Inès Joël Karine Loïc Maëlys Noé Océane Pascal Quentin "
    "Raphaëlle Sylvain Théa Ursule Valentin Xavière Yannick Zoé Anne-Lise Jean-Baptiste Chloé Mathis Solène"
)
FAMILY_FR = _words(
    "Abadie Belcourt Chantrel Dumoulin Esnault Fauvel Garrigou Hennequin Imbault Jaubert Kervella L'Hostis Marchal "
    "Nadaud Ollivier Peyrac Quéméner Roussillon Sarrazin Tessier Urvoy Vasseur Wattel Ybert Zeller D'Aubrac "
    "Saint-Cyr Le-Goazec Brémond Castaing"
)
GIVEN_US = _words(
    "Ada Brooke Calvin Dana Elias Faye Gavin Harper Iris Jonah Kendra Logan Mabel Nolan Opal Preston Quinn Rosa Silas "
    "Tessa Ulric Vera Wade Ximena Yosef Zelda José Mei-Ling Renée Omar"
)
FAMILY_US = _words(
    "Alderton Brightwell Castellano Dunmore Eastlake Fairbanks Grantham Holloway Ibarra Jessup Kowalczyk Lindqvist "
    "Montero Nakagawa O'Dell Pemberton Quigley Rosenthal Stanfield Thackeray Underhill Valdez Whitcomb Xiong Yarrow "
    "Zamora Van-Dorn Nguyen-Hart Okafor Delacroix"
)
MAIL_HOSTS = ("courriel.example", "poste.example", "boite.example", "mail.example", "inbox.example")


@dataclass(frozen=True, slots=True)
class Region:
    """One part of the retailer's public: how its customers are called and where they live, as its files write it."""

    code: str
    share: float
    country: str
    region: str
    towns: tuple[tuple[str, str], ...]
    given: tuple[str, ...]
    family: tuple[str, ...]


FRANCE = Region(
    "FR",
    0.65,
    "France",
    "",
    (
        ("Nantes", "44000"),
        ("Lyon", "69003"),
        ("Lille", "59000"),
        ("Toulouse", "31000"),
        ("Rennes", "35000"),
        ("Dijon", "21000"),
        ("Annecy", "74000"),
        ("Bayonne", "64100"),
        ("Saint-Étienne", "42000"),
        ("Besançon", "25000"),
    ),
    GIVEN_FR,
    FAMILY_FR,
)
QUEBEC = Region(
    "CA-QC",
    0.20,
    "Canada",
    "Québec",
    (("Montréal", "H2X 1A1"), ("Québec", "G1R 2B2"), ("Gatineau", "J8X 3C3"), ("Sherbrooke", "J1H 4D4")),
    GIVEN_FR,
    FAMILY_FR,
)
CALIFORNIA = Region(
    "US-CA",
    0.15,
    "USA",
    "California",
    (("Sacramento", "95814"), ("Oakland", "94607"), ("Fresno", "93721"), ("San Diego", "92101")),
    GIVEN_US,
    FAMILY_US,
)
REGIONS = (FRANCE, QUEBEC, CALIFORNIA)

AREA_CODES = {
    "CA-QC": ("418", "438", "450", "514", "579", "581", "819", "873"),
    "US-CA": ("209", "213", "310", "408", "415", "510", "530", "559", "619", "626", "650", "707", "714", "805", "831"),
}
"""North American area codes; only their lines 555-0100 to 555-0199, which are reserved for fiction, are used."""

PRODUCTS = (
    ("notebook", 690),
    ("fountain pen", 2_450),
    ("wool blanket", 8_900),
    ("teapot", 3_990),
    ("green tea", 1_250),
    ("desk lamp", 5_400),
    ("garden shears", 2_790),
    ("seed box", 1_490),
    ("linen apron", 3_250),
    ("bread tin", 1_890),
    ("wooden train", 2_990),
    ("card game", 1_590),
    ("picture book", 1_390),
    ("bicycle bell", 1_150),
    ("rain cape", 6_900),
    ("travel mug", 2_190),
    ("soap set", 1_690),
    ("candle", 1_290),
    ("wall calendar", 1_450),
    ("camping stove", 7_490),
)
"""What the retailer sells: name and price in minor units (cents)."""
