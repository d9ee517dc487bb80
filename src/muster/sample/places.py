"""The sample company: its sites, who works there, its departments and titles."""

from dataclasses import dataclass

COMPANY = "Lantaarn"
DOMAIN = "lantaarn.example"
PARTNER_DOMAINS = ("havenbedrijf.example", "northwind.example", "studio-k.example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place of work. `share` weighs how many work there; `scripts` whose names they bear, the first most often."""

    name: str
    country: str
    city: str
    state: str | None = None
    street: str
    postal_code: str
    time_zone: str
    language: str
    # How a telephone number begins, and the digits that follow: `#` is drawn.
    phone: str
    mobile: str
    share: int
    scripts: tuple[str, ...]


SITES: tuple[Site, ...] = (
    Site(
        name="Rotterdam HQ", country="NL", city="Rotterdam", street="Wijnhaven 88", postal_code="3011 WT",
        time_zone="Europe/Amsterdam", language="nl-NL", phone="+31 10 555 ####", mobile="+31 6 5550 ####", share=22,
        scripts=("dutch", "turkish", "arabic", "english"),
    ),
    Site(
        name="London", country="GB", city="London", street="12 St Mary's Row", postal_code="EC3R 8XX",
        time_zone="Europe/London", language="en-GB", phone="+44 20 7946 0###", mobile="+44 7700 900###", share=14,
        scripts=("english", "polish", "chinese", "greek"),
    ),
    Site(
        name="Denver", country="US", city="Denver", state="CO", street="1600 Larimer St", postal_code="80202",
        time_zone="America/Denver", language="en-US", phone="+1 303 555 01##", mobile="+1 720 555 01##", share=17,
        scripts=("english", "spanish", "chinese", "german"),
    ),
    Site(
        name="Göteborg", country="SE", city="Göteborg", street="Östra Hamngatan 8", postal_code="411 09",
        time_zone="Europe/Stockholm", language="sv-SE", phone="+46 31 390 06 ##", mobile="+46 70 174 06 ##", share=7,
        scripts=("swedish", "english"),
    ),
    Site(
        name="Kraków", country="PL", city="Kraków", street="ul. Świętego Tomasza 8", postal_code="31-027",
        time_zone="Europe/Warsaw", language="pl-PL", phone="+48 12 555 ####", mobile="+48 500 555 ###", share=9,
        scripts=("polish", "ukrainian", "czech"),
    ),
    Site(
        name="Lyon", country="FR", city="Lyon", street="8 rue de l'Arbre-Sec", postal_code="69001",
        time_zone="Europe/Paris", language="fr-FR", phone="+33 4 65 71 ## ##", mobile="+33 6 39 98 ## ##", share=7,
        scripts=("french", "arabic", "portuguese"),
    ),
    Site(
        name="München", country="DE", city="München", street="Färbergraben 18", postal_code="80331",
        time_zone="Europe/Berlin", language="de-DE", phone="+49 89 99998 ###", mobile="+49 171 39200 ##", share=8,
        scripts=("german", "turkish", "greek"),
    ),
    Site(
        name="São Paulo", country="BR", city="São Paulo", state="SP", street="Rua Augusta, 88", postal_code="01305-000",
        time_zone="America/Sao_Paulo", language="pt-BR", phone="+55 11 5550 ####", mobile="+55 11 95550 ####", share=6,
        scripts=("portuguese", "japanese"),
    ),
    Site(
        name="İstanbul", country="TR", city="İstanbul", street="Büyükdere Caddesi 8", postal_code="34394",
        time_zone="Europe/Istanbul", language="tr-TR", phone="+90 212 555 ####", mobile="+90 532 555 ####", share=4,
        scripts=("turkish", "arabic"),
    ),
    Site(
        name="Praha", country="CZ", city="Praha", street="Křížovnická 8", postal_code="110 00",
        time_zone="Europe/Prague", language="cs-CZ", phone="+420 255 550 ###", mobile="+420 605 550 ###", share=3,
        scripts=("czech", "ukrainian"),
    ),
    Site(
        name="大阪", country="JP", city="Osaka", street="中央区心斎橋筋8-8", postal_code="542-0085",
        time_zone="Asia/Tokyo", language="ja-JP", phone="+81 6 5550 ####", mobile="+81 90 5550 ####", share=3,
        scripts=("japanese", "chinese"),
    ),
)  # fmt: skip

# Offices that the telephone system does not know: what is sent for these people is refused by name.
UNKNOWN_OFFICES = ("Lisboa (from autumn)", "rotterdam hq", "Remote", "Krakow", "Lille")

# Department, cost center, share, titles (the first is its head's).
DEPARTMENTS: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    ("Sales", "4100", 22, ("Head of Sales", "Account Executive", "Sales Engineer", "Inside Sales Representative")),
    ("Support", "4200", 24, ("Head of Support", "Agent", "Senior Agent", "Team Lead", "Chargé de clientèle")),
    ("Engineering", "5100", 20, ("Head of Engineering", "Developer", "Senior Developer", "Architect", "Tester")),
    ("Marketing", "4300", 7, ("Head of Marketing", "Copywriter", "Campaign Planner")),
    ("Finance", "1100", 6, ("Chief Financial Officer", "Controller", "Accounts Payable Clerk")),
    ("People & Culture", "1200", 4, ("Head of People", "Recruiter", "HR Business Partner, EMEA")),
    ("Legal, Risk & Compliance", "1300", 3, ("General Counsel", "Privacy Officer", "Paralegal")),
    ("Inköp", "1400", 3, ("Inköpschef", "Strategisk inköpare")),
    ("Operations", "2100", 8, ("Head of Operations", "Planner", "Facilities Coordinator")),
    ("IT", "5200", 3, ("IT Director", "Systems Administrator", "Service Desk Analyst")),
)
