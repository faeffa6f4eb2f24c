"""The log's lines, as metric definitions find them."""

from __future__ import annotations

import json
import re

import pytest

from sm_amazon_algos.container.report import Report, Summary

REPORT = Report(algorithm="AWS/KMeansWebscale", host="algo-1")
PREFIX = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] "


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda: REPORT.quality("train", "msd", 0.064049),
            "#quality_metric: host=algo-1, train msd <loss>=0.064049",
        ),
        (
            lambda: REPORT.quality("test", "binary_f_1.000", 1, tag="score", epoch=3),
            "#quality_metric: host=algo-1, epoch=3, test binary_f_1.000 <score>=1.0",
        ),
        (
            lambda: REPORT.progress(1, 3),
            "#progress_metric: host=algo-1, completed 33.333333333333336 % of epochs",
        ),
        (
            lambda: REPORT.progress(3, 3),
            "#progress_metric: host=algo-1, completed 100.0 % of epochs",
        ),
        (
            lambda: REPORT.throughput(100, 0.5),
            "#throughput_metric: host=algo-1, train throughput=200.0 records/second",
        ),
        (
            lambda: REPORT.early_stopping(2, "mse_objective", 0.5),
            (
                "#early_stopping_criteria_metric: host=algo-1, epoch=2, criteria=mse_objective, "
                "value=0.5"
            ),
        ),
        (
            lambda: REPORT.score("validation", "mse", 0.25),
            "#validation_score (algo-1) : ('mse', 0.25)",
        ),
    ],
)
def test_lines(call: object, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(call)
    call()
    assert re.fullmatch(PREFIX + re.escape(line) + "\n", capsys.readouterr().out)


def test_metrics_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    REPORT.metrics({"epochs": 2, "update.time": Summary.of(1.5, 2.5)}, started=1.0, ended=2.0)
    REPORT.metrics({"x": 1}, started=1.0, epoch=0, model=3, Meta="training_data_iter")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("#metrics {")
    assert json.loads(first.removeprefix("#metrics ")) == {
        "StartTime": 1.0,
        "EndTime": 2.0,
        "Dimensions": {
            "Algorithm": "AWS/KMeansWebscale",
            "Host": "algo-1",
            "Operation": "training",
        },
        "Metrics": {
            "epochs": {"sum": 2.0, "count": 1, "min": 2.0, "max": 2.0},
            "update.time": {"sum": 4.0, "count": 2, "min": 1.5, "max": 2.5},
        },
    }
    dimensions = json.loads(second.removeprefix("#metrics "))["Dimensions"]
    assert dimensions["epoch"] == 0
    assert dimensions["model"] == 3
    assert dimensions["Meta"] == "training_data_iter"


def test_counters_have_aws_s_names(capsys: pytest.CaptureFixture[str]) -> None:
    REPORT.counters("training_data_iter", started=1.0, records=10, batches=3, epoch=1)
    document = json.loads(capsys.readouterr().out.removeprefix("#metrics "))
    assert {name: value["sum"] for name, value in document["Metrics"].items()} == {
        "Total Records Seen": 20,
        "Total Batches Seen": 6,
        "Max Records Seen Between Resets": 10,
        "Max Batches Seen Between Resets": 3,
        "Reset Count": 2,
        "Number of Records Since Last Reset": 10,
        "Number of Batches Since Last Reset": 3,
    }
