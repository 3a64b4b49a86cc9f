"""The prices of AWS in one Region, and the amounts that are always free, each with its source."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "prices.json"
HOURS_PER_MONTH = 730
"""AWS's own month: https://aws.amazon.com/calculator/."""


@dataclass(frozen=True)
class Price:
    """The price of one kind of usage.

    Attributes
    ----------
    service, unit
        The service, and what is counted.
    usd, per
        This many USD for this many units.
    always_free
        How many units a month are free for an account, without an end.
    source, basis
        The page with the price, and how far it was verified: a key of `PriceList.basis`.
    free_source, free_basis
        The same of the free amount; empty if nothing is free.
    note
        What the price depends on.
    """

    key: str
    service: str
    unit: str
    usd: float
    per: int
    always_free: int
    source: str
    basis: str
    free_source: str = ""
    free_basis: str = ""
    note: str = ""

    def charge(self, quantity: float) -> float:
        """Return what a quantity costs by the list, in USD."""
        return quantity * self.usd / self.per


@dataclass(frozen=True)
class PriceList:
    """All prices.

    Attributes
    ----------
    region, looked_up_on
        The Region, and the day on which the sources were read.
    basis
        What each basis of a price means.
    free_terms, free_terms_source
        For which accounts the free amounts are, and the page that says so.
    prices
        By their keys.
    """

    region: str
    looked_up_on: str
    basis: Mapping[str, str]
    free_terms: str
    free_terms_source: str
    prices: Mapping[str, Price]


@cache
def load_prices() -> PriceList:
    """Read the file of prices."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return PriceList(
        region=document["region"],
        looked_up_on=document["looked_up_on"],
        basis=document["basis"],
        free_terms=document["free_terms"]["text"],
        free_terms_source=document["free_terms"]["source"],
        prices={row["key"]: Price(**row) for row in document["prices"]},
    )
