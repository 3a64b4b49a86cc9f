"""The erasure of a person: `offboarding forget`."""
