"""Key pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sm_local.home import Credentials
from sm_local.service.database import Database
from sm_local.service.keys import Keys

USER = Credentials(access_key_id="SMLOCALUSER", secret_access_key="secret")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "state.db")) as database:
        yield database


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database, USER)


def test_the_main_key_pair_is_the_user_s(keys: Keys) -> None:
    assert keys.secret("SMLOCALUSER") == ("secret", "user")
    assert keys.secret("unknown") is None


def test_a_pair_belongs_to_its_owner(keys: Keys) -> None:
    pair = keys.issue("job a")
    assert keys.secret(pair.access_key_id) == (pair.secret_access_key, "job a")
    assert keys.issue("job b") != pair


def test_an_owner_keeps_its_pair(keys: Keys, database: Database) -> None:
    pair = keys.issue("job a")
    assert Keys(database, USER).issue("job a") == pair


def test_a_revoked_pair_is_unknown(keys: Keys, database: Database) -> None:
    pair = keys.issue("job a")
    keys.revoke("job a")
    keys.revoke("job a")
    assert keys.secret(pair.access_key_id) is None
    assert Keys(database, USER).secret(pair.access_key_id) is None


def test_a_pair_is_known_after_a_restart(keys: Keys, database: Database) -> None:
    pair = keys.issue("job a")
    found = Keys(database, USER).secret(pair.access_key_id)
    assert found == (pair.secret_access_key, "job a")


def test_nobody_else_can_be_the_user(keys: Keys) -> None:
    with pytest.raises(ValueError, match="use another name"):
        keys.issue("user")
    with pytest.raises(ValueError, match="cannot be revoked"):
        keys.revoke("user")
