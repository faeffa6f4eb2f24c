"""The query protocol, with STS and IAM, as boto3 speaks it over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


def refusal(call: Callable[[], object]) -> ClientError:
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value


def test_an_answer_has_the_id_of_its_request(served: Served) -> None:
    answer = served.client("sts").get_caller_identity()
    metadata = answer["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]


def test_an_operation_that_is_not_there(served: Served) -> None:
    error = refusal(lambda: served.client("sts").get_session_token())
    assert error.response["Error"]["Code"] == "InvalidAction"
    assert "does not have STS operation 'GetSessionToken'; it has GetCallerIdentity" in str(error)


def test_a_bad_request_is_refused_in_aws_s_words(served: Served) -> None:
    iam: Any = served.client("iam", parameter_validation=False)
    error = refusal(lambda: iam.get_role(RoleName="a b"))
    assert error.response["Error"]["Code"] == "ValidationError"
    assert "1 validation error detected: Value 'a b' at 'roleName' failed" in str(error)


def test_a_signature_is_refused_in_the_client_s_protocol(served: Served) -> None:
    pair = served.context.keys.issue("job")
    served.context.keys.revoke("job")
    error = refusal(lambda: served.client("sts", pair).get_caller_identity())
    assert error.response["Error"]["Code"] == "InvalidClientTokenId"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
