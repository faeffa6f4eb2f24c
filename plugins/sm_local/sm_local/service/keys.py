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
    """Every key pair that the service accepts; looking one up never waits for the database."""

    def __init__(self, database: Database, user: Credentials) -> None:
        """Accept `user`, the home's main key pair, and those issued before."""
        self._database = database
        rows = database.query("SELECT access_key_id, secret, owner FROM key_pairs")
        self._pairs: dict[str, tuple[str, str]] = {
            access_key_id: (secret, owner) for access_key_id, secret, owner in rows
        }
        self._pairs[user.access_key_id] = (user.secret_access_key, USER)

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
        access_key_id, secret = row
        self._pairs[access_key_id] = (secret, owner)
        return Credentials(access_key_id=access_key_id, secret_access_key=secret)

    def secret(self, access_key_id: str) -> tuple[str, str] | None:
        """(secret, owner) of a key pair, or None for an unknown one."""
        return self._pairs.get(access_key_id)

    def revoke(self, owner: str) -> None:
        """Accept the key pair of `owner` no longer, if it has one.

        Raises:
            ValueError: `owner` is the name that stands for the user.
        """
        if owner == USER:
            raise ValueError(f"the main key pair, {USER!r}'s, cannot be revoked")
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT access_key_id FROM key_pairs WHERE owner = ?", (owner,)
            ).fetchall()
            connection.execute("DELETE FROM key_pairs WHERE owner = ?", (owner,))
        for (access_key_id,) in rows:
            self._pairs.pop(access_key_id, None)


def _new_id() -> str:
    """An id of AWS's shape, which clients may check: AKIA and 16 letters or digits."""
    return "AKIA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
