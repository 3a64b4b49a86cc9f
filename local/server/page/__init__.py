"""The page of `make serve`: what the browser gets, and the JSON behind it.

`files` answers the page itself and its CSS and modules; `api` answers `/local/page/…`. What the page shows is read as
an operator would read it, and what it does is a call of AWS's API, so that the AWS CLI could do the same.
"""
