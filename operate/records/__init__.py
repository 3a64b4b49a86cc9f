"""The table of records as a file: `offboarding records export` and `offboarding records import`.

`files` is the format, `exporting` and `importing` are the two ways, and `adjustments` has what an import changes.
"""
