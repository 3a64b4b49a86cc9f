"""The command `offboarding`, for people who operate a deployed stack, on AWS and on the embedded AWS.

`command` has the groups and the exit codes, `options` what the commands share, `account` finds the stack, `terminal`
prints and asks, `questions` reads the table of records, and each other folder has the commands of one subject.
"""
