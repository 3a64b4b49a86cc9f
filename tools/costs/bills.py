"""What quantities cost: by the list, and after what is always free."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tools.costs.prices import load_prices


@dataclass(frozen=True)
class Usage:
    """A quantity of one kind of usage.

    Attributes
    ----------
    subject
        What causes it, for a person; empty for an offboarding.
    price
        The key of its price.
    quantity
        In the units of the price.
    """

    subject: str
    price: str
    quantity: float


@dataclass(frozen=True)
class Line:
    """A line of a bill.

    Attributes
    ----------
    usage
        The quantity.
    list_usd, charged_usd
        What it costs by the list, and after what is always free.
    """

    usage: Usage
    list_usd: float
    charged_usd: float


@dataclass(frozen=True)
class Bill:
    """The lines, in the order of the usages."""

    lines: tuple[Line, ...]

    @property
    def list_usd(self) -> float:
        """The sum by the list."""
        return sum(line.list_usd for line in self.lines)

    @property
    def charged_usd(self) -> float:
        """The sum after what is always free."""
        return sum(line.charged_usd for line in self.lines)


def draw_bill(usages: Iterable[Usage]) -> Bill:
    """Price usages of one month. What is free of a price is given to its usages in their order."""
    prices, used = load_prices().prices, defaultdict[str, float](float)
    lines = []
    for usage in usages:
        price = prices[usage.price]
        free = min(usage.quantity, max(0.0, price.always_free - used[usage.price]))
        used[usage.price] += usage.quantity
        lines.append(Line(usage, price.charge(usage.quantity), price.charge(usage.quantity - free)))
    return Bill(tuple(lines))
