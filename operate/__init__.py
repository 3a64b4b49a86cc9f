"""The command `offboarding`, for people who operate a deployed stack, on AWS and on the embedded AWS.

`command` has the groups and the exit codes, `options` what the commands share, `account` finds the stack, and each
folder has the commands of one subject.
"""
