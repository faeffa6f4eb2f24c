"""Many training jobs at once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

pytestmark = [pytest.mark.integ, pytest.mark.long, pytest.mark.timeout(600)]

COUNT = 200


def test_two_hundred_jobs_are_run_in_order_and_none_is_lost(service: Any) -> None:
    """Even if the service is killed meanwhile."""
    names = [f"job-{number:03}" for number in range(COUNT)]
    for name in names:
        service.train(name)
    first = names[10]
    service.until(lambda: service.describe(first)["TrainingJobStatus"] == "Completed")
    service.kill()
    service.start()
    ended = []
    for number, name in enumerate(names):
        service.until(lambda name=name: "TrainingEndTime" in service.describe(name))
        ended.append(service.ended(name))
        assert ended[-1]["TrainingJobStatus"] == "Completed", (number, ended[-1])
    starts = [each["TrainingStartTime"] for each in ended]
    assert starts == sorted(starts)
    # One at a time, as this service was told.
    for earlier, later in itertools.pairwise(ended):
        assert earlier["TrainingEndTime"] <= later["TrainingStartTime"]
    pages = (
        service.client("sagemaker")
        .get_paginator("list_training_jobs")
        .paginate(StatusEquals="Completed", SortBy="Name", PaginationConfig={"PageSize": 100})
    )
    listed = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert listed == names
