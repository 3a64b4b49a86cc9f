"""`python -m local serve`: the embedded AWS over HTTP."""
