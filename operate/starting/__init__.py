"""Plans and starts of offboardings: `offboarding plan` and `offboarding start`."""
