"""Another attempt after a failure: `offboarding retry`."""
