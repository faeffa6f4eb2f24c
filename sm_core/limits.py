"""Limits of SageMaker that the client, the toolkit in the container and the local service share."""

from __future__ import annotations

__all__ = ["PAYLOAD_LIMIT"]

#: Bytes of the largest body that InvokeEndpoint takes.
PAYLOAD_LIMIT = 6_291_456
