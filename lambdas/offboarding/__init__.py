"""What the Lambda handlers share, in three layers; each imports only from those before it.

- `domain`: what offboarding is about, without AWS: entities, retention, protection, records, errors.
- `adapters`: the ways to WorkMail (`directory` alone), DynamoDB, Step Functions and Systems Manager.
- `edge`: what stands around a handler: the schemas of what comes in, logs, identity providers' events.

`configuration` is what the stack tells the functions; every layer above `domain` may read it.
"""
