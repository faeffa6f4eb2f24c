"""Tables of images: their form, and the user's own laid over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from sm_core.errors import ConfigurationError
from sm_core.imagechoice import image_uri, version_of_image
from sm_core.images import ImageRequest, resolve_image
from sm_core.imagetables import ImageTable, in_order, user_table

PAPER: dict[str, Any] = {
    "ecr_domain": {"default": "amazonaws.com"},
    "main_regions": ["us-east-1"],
    "accounts": {"all": {"main": "111111111111", "other": {"eu-south-1": "222222222222"}}},
    "frameworks": {
        "paper": {
            "training": {
                "processors": ["cpu"],
                "short_to_full": {"1.0": "1.0.0"},
                "images": [
                    {"version": "1.0.0", "python": ["py3"], "repository": "p", "accounts": "all"},
                    {"version": "1.1.0", "python": ["py3"], "repository": "p", "accounts": "all"},
                ],
            }
        }
    },
}
TABLE = ImageTable.from_json(json.dumps(PAPER))
REQUEST = ImageRequest(
    framework="paper",
    region="us-east-1",
    instance_type="ml.c5.xlarge",
    scope="training",
    version="1.0",
)


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the variable names."""
    path = tmp_path / "images.json"
    monkeypatch.setenv("SMCORE_IMAGES", str(path))
    return path


def test_versions_in_order() -> None:
    assert sorted(["1.10.0", "1.9", "1.9.1", "2"], key=in_order) == ["1.9", "1.9.1", "1.10.0", "2"]


def test_without_the_variable_there_is_no_user_s_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMCORE_IMAGES", raising=False)
    assert user_table() is None
    assert TABLE.with_users() is TABLE


def test_hook_sm_image_without_the_variable(no_installed_plugins: None) -> None:
    with pytest.raises(ConfigurationError, match="or list it in the file that SMCORE_IMAGES names"):
        resolve_image(REQUEST)


ROW = {"version": "1.0.0", "repository": "mine", "accounts": "all", "python": ["py311"]}


@pytest.mark.parametrize(
    ("table", "changes", "uri"),
    [
        # A registry of one's own.
        (
            {"accounts": {"all": {"main": "999999999999"}}},
            {},
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/p:1.0-cpu-py3",
        ),
        # A region that is new.
        (
            {
                "accounts": {"all": {"other": {"xx-new-1": "333333333333"}}},
                "ecr_domain": {"xx-new-1": "amazonaws.example"},
            },
            {"region": "xx-new-1"},
            "333333333333.dkr.ecr.xx-new-1.amazonaws.example/p:1.0-cpu-py3",
        ),
        (
            {"main_regions": ["xx-new-1"]},
            {"region": "xx-new-1"},
            "111111111111.dkr.ecr.xx-new-1.amazonaws.com/p:1.0-cpu-py3",
        ),
        # A version takes the place of the plugin's, or is new; the others stay.
        (
            {"frameworks": {"paper": {"training": {"processors": ["cpu"], "images": [ROW]}}}},
            {},
            "111111111111.dkr.ecr.us-east-1.amazonaws.com/mine:1.0-cpu-py311",
        ),
        (
            {"frameworks": {"paper": {"training": {"processors": ["cpu"], "images": [ROW]}}}},
            {"version": "1.1.0"},
            "111111111111.dkr.ecr.us-east-1.amazonaws.com/p:1.1.0-cpu-py3",
        ),
        (
            {
                "frameworks": {
                    "paper": {
                        "training": {
                            "processors": ["gpu"],
                            "images": [{**ROW, "version": "7.0"}],
                            "short_to_full": {"7": "7.0"},
                        }
                    }
                }
            },
            {"version": "7", "instance_type": "ml.g5.xlarge"},
            "111111111111.dkr.ecr.us-east-1.amazonaws.com/mine:7-gpu-py311",
        ),
    ],
)
def test_the_user_s_file_is_laid_over_a_table(
    users: Path, table: dict[str, Any], changes: dict[str, Any], uri: str
) -> None:
    users.write_text(json.dumps(table), encoding="utf-8")
    assert image_uri(TABLE, attrs.evolve(REQUEST, **changes)) == uri
    version = changes.get("version", "1.0")
    assert version_of_image(TABLE, "paper", uri) == version


def test_a_framework_that_only_the_user_s_file_knows(
    no_installed_plugins: None, users: Path
) -> None:
    users.write_text(json.dumps(PAPER), encoding="utf-8")
    assert resolve_image(REQUEST) == "111111111111.dkr.ecr.us-east-1.amazonaws.com/p:1.0-cpu-py3"


def changed(place: str, value: Any) -> dict[str, Any]:
    """PAPER with something else at `place`."""
    table: dict[str, Any] = json.loads(json.dumps(PAPER))
    *way, last = place.split(".")
    inner: Any = table
    for name in way:
        inner = inner[int(name) if name.isdecimal() else name]
    inner[last] = value
    return table


IMAGE = "frameworks.paper.training.images.0"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("framework", {}, "unknown: framework (there are: frameworks, accounts, main_regions, "),
        ("accounts.all.main", "12", "account '12' of main @ $.accounts.all has not 12 digits"),
        ("accounts.all.others", {}, "unknown: others (there are: main, other) @ $.accounts['all']"),
        (f"{IMAGE}.version", "one", "'one' @ $.frameworks.paper.training.images is no version"),
        (f"{IMAGE}.versoin", "1", "unknown: versoin (there are: version, repository, accounts, "),
        ("frameworks.paper.training.short_to_full", {"x": "1"}, "short_to_full are no versions"),
        ("frameworks.paper.training.processors", ["cup"], "@ $.frameworks['paper']['training']"),
        ("frameworks.paper.training.images", [{}], "version is missing @ $.frameworks['paper']"),
        ("frameworks.paper", [], "@ $.frameworks['paper']"),
        (f"{IMAGE}.python", ["py3x"], "'py3x' @ $.frameworks.paper.training.images is no Python"),
        (f"{IMAGE}.python", "py38", "'py38' is no list of texts @ $.frameworks['paper']"),
        ("main_regions", "us-east-1", "'us-east-1' is no list of texts @ $.main_regions"),
        ("frameworks.paper.train", {"processors": [], "images": []}, "train is no purpose (there"),
        ("dropped", {"paper": [{"family": "p2", "since": "x"}]}, "'x' @ $.dropped.paper is no ver"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(
    users: Path, place: str, value: Any, message: str
) -> None:
    users.write_text(json.dumps(changed(place, value)), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        image_uri(TABLE, REQUEST)
    assert str(caught.value).startswith(f"SMCORE_IMAGES={users}: ")
    assert message in str(caught.value)


def test_what_is_no_json_is_named(users: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SMCORE_IMAGES=/.* cannot be read: No such file"):
        user_table()
    users.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"SMCORE_IMAGES=/.*images\.json is no JSON: "):
        user_table()
    users.write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"images\.json is a list, not a JSON object"):
        user_table()


def test_domains_of_some_regions_leave_the_others_as_they_are(users: Path) -> None:
    users.write_text(json.dumps({**PAPER, "ecr_domain": {"eu-x": "x.example"}}), encoding="utf-8")
    uri = "111111111111.dkr.ecr.us-east-1.amazonaws.com/p:1.0-cpu-py3"
    assert image_uri(ImageTable(), REQUEST) == uri


def test_accounts_that_are_nowhere_are_named(users: Path) -> None:
    users.write_text(json.dumps(changed(f"{IMAGE}.accounts", "al")), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"no accounts 'al', which p 1.0.0 names; there"):
        image_uri(TABLE, REQUEST)
