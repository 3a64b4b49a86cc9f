"""The embedded AWS: AWS on this machine, in memory, with the demo and the HTTP server that use it."""
