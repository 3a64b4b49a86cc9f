"""The tables of `docs/cost.md`, each between two comments that name it, and what differs from them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cdk.assembly import TEMPLATE, assembly
from tools.costs.bills import Bill, Line
from tools.costs.durations import HIGH, LOW
from tools.costs.metering import Counts
from tools.costs.months import LEAST, MOST, Assumption, draw_idle_bill, draw_run_bill, estimate_gb_seconds
from tools.costs.prices import Price, load_prices
from tools.costs.quotas import load_quotas, measure_demand
from tools.costs.scenarios import FURTHER_SCENARIOS, HAPPY, STACKS, SWEEP

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
BATCHES = (10, 100, 1000)
_SLOW_AT_ONCE = Assumption(HIGH, is_spread=False)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_LEAST_USD = 0.001
_TOLERANCE = 0.02
"""By how much a number with a decimal point may differ: bytes and what they cost."""


class MarkerError(ValueError):
    """The page lacks the place of a table; the message names it."""


@dataclass(frozen=True)
class Measurements:
    """What the tables are computed from.

    Attributes
    ----------
    templates
        By the name of a stack in `STACKS`.
    runs
        By the name of a scenario: what it used. `SWEEP` and `HAPPY` must be among them.
    """

    templates: Mapping[str, Mapping[str, Any]]
    runs: Mapping[str, Counts]

    def read_template(self, run: str) -> Mapping[str, Any]:
        """Return the template of the stack of a scenario."""
        [scenario] = [scenario for scenario in (SWEEP, HAPPY, *FURTHER_SCENARIOS) if scenario.name == run]
        return self.templates[scenario.stack]

    @property
    def sweep(self) -> Counts:
        """What a sweep of the idle stack uses."""
        return self.runs[SWEEP.name]

    def draw_run_bill(self, name: str, assumption: Assumption) -> Bill:
        """Price a thousand runs of a scenario."""
        return draw_run_bill(self.runs[name], self.read_template(name), self.sweep, assumption)

    def draw_idle_bill(self, name: str) -> Bill:
        """Price a month of an idle stack."""
        return draw_idle_bill(self.templates[name], self.sweep)


def load_templates() -> dict[str, Mapping[str, Any]]:
    """Synthesize the template of each of `STACKS`."""
    return {
        name: json.loads((assembly(settings) / TEMPLATE).read_text(encoding="utf-8"))
        for name, settings in STACKS.items()
    }


def render_tables(measurements: Measurements) -> dict[str, str]:
    """Render all tables that the measurements suffice for, by their names.

    Without the further scenarios, `scenarios` and `counts` have the rows of the others only.
    """
    idle = {
        f"idle {name}": render_bill(measurements.draw_idle_bill(name), "a month in which nothing happens")
        for name in STACKS
    }
    runs = [name for name in measurements.runs if name != SWEEP.name]
    return {
        "summary": render_summary(measurements),
        **idle,
        "scenarios": _render_table(_SCENARIO_HEADER, (render_scenario(name, measurements) for name in runs)),
        "by hand": render_bill(measurements.draw_run_bill(HAPPY.name, MOST), "1,000 offboardings by hand"),
        "counts": _render_table(_COUNT_HEADER, (render_counts(name, measurements) for name in runs)),
        "quotas": render_quotas(measurements.runs[HAPPY.name]),
        "quota sources": render_quota_sources(),
        "prices": render_prices(),
    }


def replace_tables(page: str, tables: Mapping[str, str]) -> str:
    """Return the text of the page with these tables in their places.

    Raises
    ------
    MarkerError
        The page has no place for one.
    """
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if begin not in page or end not in page:
            raise MarkerError(f"the page has no place for the table: {begin.strip()}")
        former = page[page.index(begin) + len(begin) : page.index(end)]
        page = page.replace(f"{begin}{former}{end}", f"{begin}{table}{end}")
    return page


def read_table(page: str, name: str) -> str:
    """Return the table of a name as the page has it."""
    return page.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0]


def list_differences(former: str, computed: str) -> list[str]:
    """List the lines that differ by more than what is measured may: whole numbers and words have to be the same."""
    lines, computed_lines = former.splitlines(), computed.splitlines()
    if len(lines) != len(computed_lines):
        return [f"{len(lines)} lines, and not {len(computed_lines)}"]
    return [
        f"{line} is now {computed_line}"
        for line, computed_line in zip(lines, computed_lines, strict=True)
        if not _is_same(line, computed_line)
    ]


def render_summary(measurements: Measurements) -> str:
    """Render the figures that a decision needs."""
    idle = {name: measurements.draw_idle_bill(name) for name in STACKS}
    rows = [(f"an idle stack, a month, {name}", _usd(b.charged_usd), _usd(b.list_usd)) for name, b in idle.items()]
    least, most = (measurements.draw_run_bill(HAPPY.name, assumption) for assumption in (LEAST, _SLOW_AT_ONCE))
    spread = measurements.draw_run_bill(HAPPY.name, MOST)
    charged = _range(least.charged_usd, spread.charged_usd)
    rows += [
        ("**1,000 offboardings**, in the same hours", f"**{charged}**", _range(least.list_usd, most.list_usd)),
        ("1,000 offboardings, spread over a month", charged, f"up to {_usd(spread.list_usd)}"),
    ]
    rows[0] = (f"**{rows[0][0]}**", f"**{rows[0][1]}**", rows[0][2])
    return _render_table(("what", "USD after what is always free", "USD by the list"), rows)


def render_bill(bill: Bill, total: str) -> str:
    """Render the lines of a bill, and the sum."""
    has_subjects = any(line.usage.subject for line in bill.lines)
    header = ("what",) if has_subjects else ()
    rows = [((line.usage.subject,) if has_subjects else ()) + _render_line(line) for line in bill.lines]
    blank = ("",) * (len(header) + 2)
    rows.append((f"**{total}**", *blank, f"**{_usd(bill.charged_usd)}**", f"**{_usd(bill.list_usd)}**"))
    columns = (*header, "service", "unit", "quantity", "USD after what is always free", "USD by the list")
    return _render_table(columns, rows)


_SCENARIO_HEADER = (
    "1,000 offboardings",
    "USD after what is always free",
    "USD by the list, in the same hours",
    "USD by the list, spread over a month",
)


def render_scenario(name: str, measurements: Measurements) -> tuple[str, ...]:
    """Render what a thousand runs of a scenario cost, as a row."""
    least, most, spread = (measurements.draw_run_bill(name, a) for a in (LEAST, _SLOW_AT_ONCE, MOST))
    return (
        name,
        _range(least.charged_usd, spread.charged_usd),
        _range(least.list_usd, most.list_usd),
        f"up to {_usd(spread.list_usd)}",
    )


_COUNT_HEADER = (
    "one offboarding",
    *("state transitions", "invocations", "GB-seconds", "write units", "read units", "SQS requests"),
    *("custom events", "mails", "metrics", "KB of logs", "KB of records"),
)


def render_counts(name: str, measurements: Measurements) -> tuple[str, ...]:
    """Render what one run of a scenario uses, as a row."""
    counts = measurements.runs[name]
    template = measurements.read_template(name)
    low, high = (estimate_gb_seconds(counts, template, duration) for duration in (LOW, HIGH))
    units = counts.units
    return (
        name,
        *(str(units["state-transition"]), str(counts.invocations.total()), f"{low:.2f} to {high:.1f}"),
        *(f"{units[key]:g}" for key in ("dynamodb-write", "dynamodb-read", "sqs-request", "event", "sns-mail")),
        *(str(counts.metric_names), f"{counts.log_bytes / 1024:.1f}", f"{counts.stored_bytes / 1024:.1f}"),
    )


def render_quotas(counts: Counts) -> str:
    """Render how long each quota makes offboardings take that start at once, the one that binds in bold."""
    quotas = load_quotas()
    demands = {quota.name: measure_demand(quota, counts) for quota in quotas}
    seconds = {b: {q.name: q.estimate_seconds(b, demands[q.name]) for q in quotas} for b in BATCHES}
    rows = [
        (
            quota.name,
            f"{quota.burst:,} at once, then {quota.per_second:,} a second" if quota.burst else f"{quota.per_second:,}",
            f"{demands[quota.name]:g}",
            *(_render_seconds(seconds[b][quota.name], max(seconds[b].values())) for b in BATCHES),
        )
        for quota in quotas
    ]
    return _render_table(("quota", "of an account", "one offboarding", *(f"{b:,} at once" for b in BATCHES)), rows)


def render_quota_sources() -> str:
    """Render where each quota is documented."""
    return _render_table(
        ("quota", "source", "verified by"), ((q.name, f"<{q.source}>", q.basis) for q in load_quotas())
    )


def render_prices() -> str:
    """Render all prices with their sources."""
    rows = (
        (
            price.service,
            price.unit,
            f"{price.usd:g}" + (f" for {price.per:,}" if price.per > 1 else ""),
            f"{price.always_free:,}" if price.always_free else "none",
            _render_source(price),
        )
        for price in load_prices().prices.values()
    )
    table = _render_table(("service", "unit", "USD", "always free a month", "source"), rows)
    return f"{_render_price_terms()}\n{table}"


def _render_price_terms() -> str:
    price_list = load_prices()
    basis = "".join(f"- *{name}*: {meaning}.\n" for name, meaning in price_list.basis.items())
    return (
        f"Of {price_list.region}, looked up on {price_list.looked_up_on}. How far each is verified:\n\n{basis}\n"
        f"{price_list.free_terms} [Source]({price_list.free_terms_source}).\n"
    )


def _render_source(price: Price) -> str:
    parts = [f"[{price.basis}]({price.source})"]
    if price.free_source and (price.free_source, price.free_basis) != (price.source, price.basis):
        parts.append(f"free: [{price.free_basis}]({price.free_source})")
    return ", ".join(parts) + (f". {price.note}" if price.note else "")


def _render_line(line: Line) -> tuple[str, ...]:
    price = load_prices().prices[line.usage.price]
    quantity = _render_quantity(line.usage.quantity)
    return price.service, price.unit, quantity, _usd(line.charged_usd), _usd(line.list_usd)


def _render_quantity(quantity: float) -> str:
    return f"{round(quantity):,}" if quantity == round(quantity) or quantity >= BATCHES[-1] else f"{quantity:.3g}"


def _usd(amount: float) -> str:
    return "0" if amount == 0 else f"{amount:.3f}" if amount >= _LEAST_USD else f"< {_LEAST_USD}"


def _range(least: float, most: float) -> str:
    low, high = _usd(least), _usd(most)
    return low if low == high else f"{low} to {high}"


def _render_seconds(seconds: float, longest: float) -> str:
    text = f"{seconds:.1f} s" if seconds else "no limit"
    return f"**{text}**" if seconds and seconds == longest else text


def _render_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(header), *map(list, rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _is_same(line: str, computed: str) -> bool:
    if _NUMBER.sub("0", line) != _NUMBER.sub("0", computed):
        return False
    pairs = zip(_NUMBER.findall(line), _NUMBER.findall(computed), strict=True)
    return all(text == value or _is_near(text, value) for text, value in pairs)


def _is_near(text: str, value: str) -> bool:
    if "." not in text or "." not in value:
        return False
    former, now = (float(number.replace(",", "")) for number in (text, value))
    return abs(former - now) <= max(_TOLERANCE * now, _LEAST_USD)
