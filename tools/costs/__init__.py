"""What the stack costs: the idle stack by its template, and an offboarding by a run of it on the embedded AWS.

`python -m tools.costs` checks `docs/cost.md`, and `python -m tools.costs --write` writes its tables.

- `prices`: the prices and the always-free amounts, with their sources, from `prices.json`.
- `bills`: what quantities cost, by the list and after what is always free.
- `template`: the quantities of a month in which nothing happens.
- `metering` and `scenarios`: the quantities of a run.
- `durations`: how long functions are assumed to run, which cannot be measured here.
- `quotas`: which quota of AWS limits many offboardings at once, from `quotas.json`.
- `page`: the tables of the page.
"""
