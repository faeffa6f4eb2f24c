"""What is the customer's to correct: hyperparameters, channels, data."""

from __future__ import annotations

from sm_core.errors import SMError

__all__ = ["CustomerError"]


class CustomerError(SMError):
    """The job cannot be done with what the customer gave; the text says what to change.

    AWS's containers log it as ``Customer Error: …``, the job's FailureReason begins with
    ``ClientError: …``, and the container ends with exit code 2.

    Attributes:
        reason: the text without either beginning.
        errno: the container's exit code.
    """

    errno = 2

    def __init__(self, reason: str, *, caused_by: str = "", detail: str = "") -> None:
        """
        Args:
            reason: what is wrong, and what to do.
            caused_by: kind of check that found it (``ValidationError``).
            detail: what it found, where that says more than `reason`.
        """
        if caused_by:
            reason = f"{reason} (caused by {caused_by})"
        if detail:
            reason = f"{reason}\n\nCaused by: {detail}"
        super().__init__(f"ClientError: {reason}")
        self.reason = reason
