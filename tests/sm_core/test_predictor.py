"""Predictors: what is sent, what comes back, what an error says."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from sm_core.errors import CodecError, ConfigurationError, ModelError, RequestError
from sm_core.formats import json_deserializer, json_serializer, npy_deserializer
from sm_core.frameworks import Framework
from sm_core.limits import PAYLOAD_LIMIT
from sm_core.predictor import Predictor
from sm_core.session import Session

LeftOver = Callable[[], list[str]]
Refuse = Callable[..., None]


@pytest.fixture
def runtime(session: Session) -> Iterator[Stubber]:
    with Stubber(session.sagemaker_runtime_client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answers(runtime: Stubber, body: bytes, content_type: str = "", **expected: Any) -> None:
    """Let the endpoint ``e`` answer, if it is asked as `expected`."""
    response = {"Body": StreamingBody(io.BytesIO(body), len(body))}
    if content_type:
        response["ContentType"] = content_type  # type: ignore[assignment]  # a member of another type
    runtime.add_response("invoke_endpoint", response, {"EndpointName": "e", **expected})


# The generic predictor


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"xy"), b"xy"),
        ("täxt", "täxt".encode()),
        (io.BytesIO(b"file"), b"file"),
        (io.StringIO("täxt"), "täxt".encode()),
    ],
)
def test_without_codecs_bodies_pass_unchanged(
    session: Session, runtime: Stubber, payload: Any, body: bytes
) -> None:
    answers(runtime, b"\x01\x02", "application/json", Body=body)
    assert Predictor("e", session).predict(payload) == b"\x01\x02"


@pytest.mark.parametrize("payload", [[1, 2], {"a": 1}, 3, None])
def test_without_a_serializer_values_are_refused(session: Session, payload: Any) -> None:
    with pytest.raises(CodecError) as caught:
        Predictor("e", session).predict(payload)
    text = str(caught.value)
    assert f"can be sent, not a {type(payload).__name__}; give one, for example" in text
    assert "serializer=sm_core.json_serializer" in text


def test_codecs_name_the_content_types(session: Session, runtime: Stubber) -> None:
    answers(
        runtime,
        b"[3]",
        "application/json",
        Body=b"[1, 2]",
        ContentType="application/json",
        Accept="application/json",
    )
    predictor = Predictor("e", session, serializer=json_serializer, deserializer=json_deserializer)
    assert predictor.predict([1, 2]) == [3]


@pytest.mark.parametrize("role", ["serializer", "deserializer"])
def test_what_can_be_no_codec_is_refused_before_anything_is_sent(
    session: Session, role: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{role} is 'csv'; give a function of"):
        Predictor("e", session, **{role: "csv"})  # type: ignore[arg-type]  # that is the point


def test_content_types_may_be_given(session: Session, runtime: Stubber) -> None:
    answers(runtime, b"[3]", Body=b"[1]", ContentType="application/x-mine", Accept="text/x")
    predictor = Predictor(
        "e",
        session,
        serializer=json_serializer,
        deserializer=json_deserializer,
        content_type="application/x-mine",
        accept="text/x",
    )
    assert predictor.predict([1]) == [3]


def test_plain_functions_do_as_codecs(session: Session, runtime: Stubber) -> None:
    answers(runtime, b"abc", "x/y", Body=b"3")
    predictor = Predictor(
        "e",
        session,
        serializer=lambda payload: str(payload).encode(),
        deserializer=lambda body, content_type: (content_type, body.read()),
    )
    assert predictor.predict(3) == ("x/y", b"abc")


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/json", b"[1]", [1]),
        ("Text/CSV; charset=utf-8", b"1,2", [["1", "2"]]),
        ("text/plain", "ü".encode(), "ü"),
        ("application/octet-stream", b"\xff", b"\xff"),
    ],
)
def test_auto_decodes_by_the_answer_s_own_type(
    session: Session, runtime: Stubber, content_type: str, body: bytes, value: Any
) -> None:
    answers(runtime, body, content_type, Body=b"")
    assert Predictor("e", session, deserializer="auto").predict(b"") == value


def test_auto_names_a_type_that_it_does_not_know(session: Session, runtime: Stubber) -> None:
    answers(runtime, b"", "image/png", Body=b"")
    with pytest.raises(CodecError, match="there is no codec for content type 'image/png'"):
        Predictor("e", session, deserializer="auto").predict(b"")


def test_an_answer_that_cannot_be_decoded_is_a_codec_error(
    session: Session, runtime: Stubber
) -> None:
    answers(runtime, b"<html>", "text/html", Body=b"", Accept="application/x-npy")
    with pytest.raises(CodecError, match="of content type 'text/html', cannot be decoded"):
        Predictor("e", session, deserializer=npy_deserializer).predict(b"")


# A framework's predictor


def test_a_framework_s_predictor_has_its_codecs(
    session: Session, runtime: Stubber, paper: Framework
) -> None:
    answers(
        runtime,
        b"1,2",
        "text/csv",
        Body=b"[1, 2]",
        ContentType="application/json",
        Accept="application/json",
    )
    predictor = paper.predictor_class()("e", session)
    assert predictor.predict((1, 2)) == [["1", "2"]]


def test_a_user_s_codecs_win_over_the_framework_s(
    session: Session, runtime: Stubber, paper: Framework
) -> None:
    answers(runtime, b"1,2", "text/csv", Body=b"7", ContentType="text/x", Accept="text/csv")
    predictor = paper.predictor_class()(
        "e", session, serializer=str, content_type="text/x", accept="text/csv"
    )
    assert predictor.predict(7) == [["1", "2"]]


@pytest.mark.parametrize(
    ("content_type", "data", "body"),
    [
        ("text/csv", [[1, 2]], b"1,2"),
        ("text/csv; charset=utf-16-le", [["ü"]], "ü".encode("utf-16-le")),
        ("image/png", b"\x89PNG", b"\x89PNG"),
    ],
)
def test_a_framework_s_predictor_encodes_by_the_content_type_that_it_is_given(
    session: Session,
    runtime: Stubber,
    paper: Framework,
    content_type: str,
    data: Any,
    body: bytes,
) -> None:
    request = {"Body": body, "ContentType": content_type, "Accept": "application/json"}
    answers(runtime, b"[1]", "application/json", **request)
    predictor = paper.predictor_class()("e", session, content_type=content_type)
    assert predictor.predict(data) == [1]
    answers(runtime, b"[2]", "application/json", **request)
    assert paper.predictor_class()("e", session).predict(data, content_type=content_type) == [2]


def test_a_content_type_that_has_no_codec_takes_no_values(
    session: Session, paper: Framework
) -> None:
    with pytest.raises(CodecError, match="only bytes, text and files can be sent, not a list"):
        paper.predictor_class()("e", session).predict([1], content_type="image/png")


def test_a_user_s_serializer_is_used_whatever_the_content_type(
    session: Session, runtime: Stubber, paper: Framework
) -> None:
    predictor = paper.predictor_class()("e", session)
    predictor.serializer = str
    answers(runtime, b"1", "text/plain", Body=b"[1]", ContentType="x/y", Accept="text/plain")
    assert predictor.predict([1], content_type="x/y", accept="text/plain") == "1"


def test_a_request_s_own_options(session: Session, runtime: Stubber) -> None:
    answers(
        runtime,
        b"ok",
        Body=b"",
        Accept="text/x",
        CustomAttributes="trace=4711",
        TargetVariant="Blue",
        InferenceId="one",
    )
    answer = Predictor("e", session).predict(
        b"",
        accept="text/x",
        custom_attributes="trace=4711",
        target_variant="Blue",
        inference_id="one",
    )
    assert answer == b"ok"


def test_auto_takes_an_answer_without_a_type_for_bytes(session: Session, runtime: Stubber) -> None:
    answers(runtime, b"\x00", Body=b"")
    assert Predictor("e", session, deserializer="auto").predict(b"") == b"\x00"


# Errors


@pytest.mark.parametrize(
    "payload", [bytes(PAYLOAD_LIMIT + 9), io.BytesIO(bytes(PAYLOAD_LIMIT + 9))]
)
def test_a_request_that_is_too_large_is_not_sent(session: Session, payload: Any) -> None:
    with pytest.raises(
        CodecError, match=r"would have 6291465 bytes, and an endpoint takes 6291456"
    ):
        Predictor("e", session).predict(payload)


def test_an_answer_that_cannot_be_decoded_is_closed(session: Session, runtime: Stubber) -> None:
    body = io.BytesIO(b"x")
    response = {"Body": StreamingBody(body, 1)}
    runtime.add_response("invoke_endpoint", response)

    def refuse(stream: Any, content_type: str) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Predictor("e", session, deserializer=refuse).predict(b"")
    assert body.closed


def test_a_failure_of_the_container_is_shown_so_that_it_can_be_read(
    session: Session, runtime: Stubber
) -> None:
    said = "\x1b[31mKeyError: 'x'\x1b[0m\n" + "x" * 100_000
    arn = "arn:aws:logs:us-east-1:1:log-group:/aws/sagemaker/Endpoints/e:log-stream:v/i-1"
    runtime.add_client_error(
        "invoke_endpoint",
        service_error_code="ModelError",
        http_status_code=424,
        modeled_fields={"OriginalStatusCode": 500, "OriginalMessage": said, "LogStreamArn": arn},
    )
    with pytest.raises(ModelError) as caught:
        Predictor("e", session).predict(b"")
    text = str(caught.value)
    assert text.startswith("endpoint e: the container answered 500: KeyError: 'x'\nxxx")
    assert text.endswith("more characters (its log: /aws/sagemaker/Endpoints/e)")
    assert len(text) < 4300
    assert (caught.value.status, caught.value.container_message) == (500, said)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.status, again.container_message) == (text, 500, said)


def test_a_container_that_does_not_answer(session: Session, runtime: Stubber) -> None:
    runtime.add_client_error(
        "invoke_endpoint",
        service_error_code="ModelError",
        http_status_code=424,
        modeled_fields={"OriginalStatusCode": 0, "OriginalMessage": "timed out"},
    )
    with pytest.raises(ModelError, match="the container did not answer: timed out"):
        Predictor("e", session).predict(b"")


def test_an_error_of_the_container_is_in_its_own_words(session: Session, runtime: Stubber) -> None:
    runtime.add_client_error(
        "invoke_endpoint",
        service_error_code="ModelError",
        service_message='Received client error (400) from model with message "…". See https://…',
        http_status_code=424,
        modeled_fields={
            "OriginalStatusCode": 400,
            "OriginalMessage": "ValueError: 3 columns are wanted",
        },
    )
    with pytest.raises(RequestError) as caught:
        Predictor("e", session).predict(b"")
    assert str(caught.value) == (
        "endpoint e: the container answered 400: ValueError: 3 columns are wanted"
    )
    assert (caught.value.code, caught.value.operation) == ("ModelError", "InvokeEndpoint")


def test_an_endpoint_that_is_not_there_says_so(session: Session, runtime: Stubber) -> None:
    runtime.add_client_error(
        "invoke_endpoint",
        service_error_code="ValidationError",
        service_message="Endpoint e of account 1 not found.",
    )
    with pytest.raises(RequestError, match=r"Endpoint e of account 1 not found\. \(ValidationErro"):
        Predictor("e", session).predict(b"")


def test_an_answer_that_breaks_off_is_a_request_error(session: Session, runtime: Stubber) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise ReadTimeoutError(endpoint_url="https://…")

    response = {"Body": StreamingBody(Broken(), 10)}
    runtime.add_response("invoke_endpoint", response)
    with pytest.raises(RequestError, match=r"endpoint e: Read timeout on .* was not sent again"):
        Predictor("e", session).predict(b"")


# Names and ends


def test_the_endpoint_has_three_names(session: Session) -> None:
    predictor = Predictor("e", session)
    assert predictor.endpoint == predictor.name == predictor.endpoint_name == "e"
    assert repr(predictor) == "Predictor('e')"
    assert predictor.sagemaker_session is session


def test_deleting_a_predictor_deletes_three_things(
    session: Session, deployed: Predictor, left_over: LeftOver
) -> None:
    assert len(left_over()) == 3
    deployed.delete()
    assert left_over() == []


def test_a_with_block_cleans_up(deployed: Predictor, left_over: LeftOver) -> None:
    with deployed as predictor:
        assert predictor is deployed
        assert len(left_over()) == 3
    assert left_over() == []


def test_a_with_block_cleans_up_after_an_error(deployed: Predictor, left_over: LeftOver) -> None:
    with pytest.raises(ZeroDivisionError), deployed:
        _ = 1 / 0
    assert left_over() == []


def test_an_error_inside_is_not_hidden_by_one_of_cleaning_up(
    session: Session, deployed: Predictor, refuse: Refuse, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(session.sagemaker_client, "DeleteEndpoint", code="Throttled", message="not now")
    with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError), deployed:
        _ = 1 / 0
    assert "could not be deleted: DeleteEndpoint: not now (Throttled)" in caplog.text
    with pytest.raises(RequestError, match="not now"), deployed:
        pass


@pytest.fixture
def deployed(session: Session) -> Predictor:
    """A predictor of an endpoint that is there."""
    client = session.sagemaker_client
    client.create_model(
        ModelName="m",
        PrimaryContainer={"Image": "image:1"},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/Role",
    )
    client.create_endpoint_config(
        EndpointConfigName="c",
        ProductionVariants=[
            {
                "VariantName": "v",
                "ModelName": "m",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.c5.xlarge",
            }
        ],
    )
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    return Predictor("e", session)
