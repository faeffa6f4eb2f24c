"""The service and supervisors killed at any moment: nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from botocore.exceptions import ConnectionError as BotoConnectionError

pytestmark = [pytest.mark.integ, pytest.mark.long, pytest.mark.timeout(1800)]

KILLS = 200
SEED = 20171129
GONE = (ClientError, BotoConnectionError, ConnectionClosedError, EndpointConnectionError)


class Client:
    """Does what users do, and notes what the service has acknowledged."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.objects: dict[str, bytes] = {}
        self.jobs: list[str] = []
        self.over = threading.Event()
        self._number = 0

    def run(self) -> None:
        """Work until it is over; calls that are not answered count for nothing."""
        while not self.over.is_set():
            self._number += 1
            try:
                self._step(self._number)
            except GONE:
                time.sleep(0.02)

    def _step(self, number: int) -> None:
        key, body = f"object-{number % 50}", os.urandom(random.randrange(40_000))
        # Whether a put that was not acknowledged took place is open; a new key each time.
        key = f"{key}-{number}"
        self.service.client("s3").put_object(Bucket="data", Key=key, Body=body)
        self.objects[key] = body
        if number % 10 == 0 and len(self.jobs) < KILLS:
            name = f"job-{number}"
            self.service.train(name)
            self.jobs.append(name)


@contextlib.contextmanager
def working(client: Client) -> Iterator[None]:
    thread = threading.Thread(target=client.run)
    thread.start()
    try:
        yield
    finally:
        client.over.set()
        thread.join()


def living_supervisors(service: Any) -> list[int]:
    found = []
    for events in service.home.jobs.glob("*/events.jsonl"):
        text = events.read_text()
        if text and "finished" not in text:
            with contextlib.suppress(ValueError):
                found.append(json.loads(text.splitlines()[0])["pid"])
    return found


def test_kills_at_random_moments(service: Any) -> None:
    service.client("s3").create_bucket(Bucket="data")
    chance = random.Random(SEED)
    client = Client(service)
    with working(client):
        for number in range(KILLS):
            time.sleep(chance.uniform(0, 0.4))
            if number % 4 == 3:
                for pid in living_supervisors(service)[:1]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            else:
                service.kill()
                service.start()
    stored = service.client("s3")
    for key, body in client.objects.items():
        assert stored.get_object(Bucket="data", Key=key)["Body"].read() == body, key
    assert client.jobs
    outcomes = {name: service.ended(name) for name in client.jobs}
    for name, description in outcomes.items():
        status = description["TrainingJobStatus"]
        if status == "Completed":
            assert "listing.json" in service.archive(f"out/{name}/output/model.tar.gz")
        else:
            assert status == "Failed", (name, description)
            assert "the supervisor of the training job ended" in description["FailureReason"]
    assert any(each["TrainingJobStatus"] == "Completed" for each in outcomes.values())
