"""Acme's rules for what its people run on Amazon SageMaker."""
