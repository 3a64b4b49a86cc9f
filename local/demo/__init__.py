"""`python -m local demo`: offboardings from a plan in November to the end of WorkMail, in seconds."""
