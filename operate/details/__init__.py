"""Everything about one person, group or resource on one page: `offboarding show`."""
