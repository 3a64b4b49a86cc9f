"""The words for what a record has: `outcomes`, `statuses` and `steps`, each in the tables of `docs/reference.md`.

A later release can write names that this one does not know. They are shown as they are.
"""
