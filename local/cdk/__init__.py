"""The commands of the CDK CLI: ``cdk synth``, cached, and ``cdk deploy`` into the embedded AWS."""
