"""Rows written into DynamoDB Local's file are read by it as if they had come through its API."""

from pathlib import Path

import botocore.session

from bench.local_table import RowWriter, row_of
from infra.build.tools import dynamodb_local
from infra.local.aws import REGION, aws_environment
from tests.cast import create_table, environment

ITEM = {
    "pk": {"S": "PERSON#ē"},
    "sk": {"S": "PLACE"},
    "body": {"S": 'says "Yes"'},
    "blob": {"B": b"\x00\x01\xff"},
    "number": {"N": "5"},
    "entries": {"M": {"one": {"S": "two"}}},
}


def test_what_is_written_into_the_file_is_in_the_table(tmp_path: Path) -> None:
    """The benchmark measures the portal on a table that DynamoDB Local reads as its own."""
    with dynamodb_local(tmp_path) as url:
        create_table(url, "rows")
    writer = RowWriter(tmp_path, "rows")
    assert writer.write(map(row_of, [ITEM, {**ITEM, "sk": {"S": "PLACE#2"}}])) == 2
    writer.close()
    with dynamodb_local(tmp_path) as url, environment(aws_environment(url)):
        client = botocore.session.get_session().create_client("dynamodb", REGION)
        key = {name: ITEM[name] for name in ("pk", "sk")}
        assert client.get_item(TableName="rows", Key=key)["Item"] == ITEM
        found = client.query(
            TableName="rows",
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": ITEM["pk"], ":sk": {"S": "PLACE#"}},
        )
        assert [item["sk"]["S"] for item in found["Items"]] == ["PLACE#2"]
        assert client.scan(TableName="rows")["Count"] == 2
        client.put_item(TableName="rows", Item={**ITEM, "body": {"S": "No"}})
        assert client.get_item(TableName="rows", Key=key)["Item"]["body"] == {"S": "No"}
