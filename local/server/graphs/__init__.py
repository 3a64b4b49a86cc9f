"""Drawings of state machines, for the page of the local server and for the documentation."""

from local.server.graphs.drawing import UnknownGraphError, draw_graph

__all__ = ["UnknownGraphError", "draw_graph"]
