"""What the Lambda handlers share: the WorkMail directory port, entities, retention, errors, schemas."""
