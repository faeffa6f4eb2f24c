"""The key pairs that requests are signed with: the user's own, and one per job or endpoint."""

from __future__ import annotations

import secrets
import time

from sm_local.home import Credentials
from sm_local.service.database import Database

__all__ = ["USER", "Keys"]

#: The owner of the main key pair.
USER = "user"

_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Keys:
    """Every key pair that the service accepts."""

    def __init__(self, database: Database, user: Credentials) -> None:
        """Accept `user`, the home's main key pair, and those issued before."""
        self._database = database
        self._user = user

    def issue(self, owner: str) -> Credentials:
        """The key pair of `owner`: a new one, or the one it already has.

        Raises:
            ValueError: `owner` is the name that stands for the user.
        """
        if owner == USER:
            raise ValueError(f"{USER!r} is the owner of the main key pair: use another name")
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT access_key_id, secret FROM key_pairs WHERE owner = ?", (owner,)
            ).fetchone()
            if row is None:
                row = (_new_id(), secrets.token_urlsafe(30))
                connection.execute(
                    "INSERT INTO key_pairs (access_key_id, secret, owner, created)"
                    " VALUES (?, ?, ?, ?)",
                    (*row, owner, time.time()),
                )
        return Credentials(access_key_id=row[0], secret_access_key=row[1])

    def secret(self, access_key_id: str) -> tuple[str, str] | None:
        """(secret, owner) of a key pair, or None for an unknown one."""
        if access_key_id == self._user.access_key_id:
            return self._user.secret_access_key, USER
        row = self._database.query(
            "SELECT secret, owner FROM key_pairs WHERE access_key_id = ?", (access_key_id,)
        )
        return (row[0][0], row[0][1]) if row else None

    def revoke(self, owner: str) -> None:
        """Accept the key pair of `owner` no longer, if it has one."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM key_pairs WHERE owner = ?", (owner,))


def _new_id() -> str:
    """An id of AWS's shape, which clients may check: AKIA and 16 letters or digits."""
    return "AKIA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
