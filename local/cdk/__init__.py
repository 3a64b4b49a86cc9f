"""What the CDK CLI does: ``cdk synth``, cached, and ``cdk deploy`` into the embedded AWS."""
