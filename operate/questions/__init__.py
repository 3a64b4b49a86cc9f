"""What the table of records answers: `table` has its queries, `people` whom a text means, `offboardings` one record."""
