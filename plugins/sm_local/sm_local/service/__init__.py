"""The local service: AWS's wire protocols on the loopback interface, over state on disk."""
