"""What offboarding is about, without AWS."""
