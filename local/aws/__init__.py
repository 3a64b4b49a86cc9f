"""The AWS services that the stack uses, one file or folder per service: moto, changed where it differs from AWS."""
