"""The ways out of a function, one module per AWS service."""
