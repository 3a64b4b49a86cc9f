"""The command `offboarding doctor`: what is wrong with the set-up, and what to do.

`findings` runs a check and makes its failure a finding, `setup` is what the checks look at, `command` prints; each
other module has the checks of one subject. A check only reads.
"""
