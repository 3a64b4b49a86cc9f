"""What happened in a period, for auditors: `offboarding report`.

`dates` has the period, `counts` counts each step as it is read, `ledger` and `reconciliation` prove that the counts add
up, `sections` has the tables, and `rows`, `page` and `removals` write them.
"""
