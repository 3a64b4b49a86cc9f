"""The ways from a function to WorkMail, DynamoDB, Step Functions and Systems Manager."""
