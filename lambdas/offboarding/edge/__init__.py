"""What stands around a handler: what comes in, what is logged, what identity providers send."""
