"""The pictures of the documentation, made by `python -m tools.pictures` from what they show."""
