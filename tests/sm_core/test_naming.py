"""Names within AWS's limits."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import ConfigurationError
from sm_core.naming import base_name, check_name, unique_name

#: The pattern and length of TrainingJobName, ModelName and EndpointName.
AWS = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu", "mxnet-training"),
        ("registry.example:5000/team/my_image@sha256:0123", "my-image"),
        ("localhost:5000/image", "image"),
        ("image", "image"),
        ("registry.example/___", "job"),
        ("", "job"),
    ],
)
def test_base_name_is_the_repository_s_last_part(image: str, name: str) -> None:
    assert base_name(image) == name


@given(st.text())
def test_a_unique_name_is_one_that_aws_takes(base: str) -> None:
    name = unique_name(base)
    assert AWS.fullmatch(name)
    assert len(name) <= 63
    assert re.search(r"-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}$", name)
    assert check_name("job_name", name) == name


def test_no_two_unique_names_are_the_same() -> None:
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(unique_name, ["same"] * 200))
    assert len(set(names)) == 200


@given(st.from_regex(AWS, fullmatch=True) | st.text(max_size=70))
def test_check_name_takes_what_aws_takes(name: str) -> None:
    if AWS.fullmatch(name):
        assert check_name("name", name) == name
    else:
        with pytest.raises(ConfigurationError, match=r"^name .* is no name that SageMaker takes"):
            check_name("name", name)
