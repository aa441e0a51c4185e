"""The events of FC's triggers, byte for byte as FC sends them, as the types of fcplug.events."""

import base64
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcplug import events
from fcplug.context import Context
from fcplug.encoding import encode
from fcplug.errors import InvalidEvent, PluginError
from fcplug.events import (
    ApiGatewayRequest,
    CDNEvent,
    CloudEvent,
    DataHubEvent,
    DTSEvent,
    HttpRequest,
    HttpResponse,
    KafkaEvent,
    MNSQueueEvent,
    MNSTopicEvent,
    MNSTopicStream,
    MQTTEvent,
    OSSEvent,
    OSSRecord,
    RabbitMQEvent,
    RocketMQEvent,
    SLSEvent,
    TablestoreEvent,
    TimerEvent,
    decode,
    samples,
)
from fcplug.events.kinds import TYPES
from fcplug.runtime.runtime import Runtime
from support.deployed import deploy, start

UTC = timezone.utc

TIMER = b"""{
    "triggerTime": "2026-07-29T10:02:58Z",
    "triggerName": "nightly",
    "payload": "{\\"all\\": true}"
}"""

OSS = b"""{"events": [{
    "eventName": "ObjectCreated:PutObject",
    "eventSource": "acs:oss",
    "eventTime": "2026-04-21T12:46:37.000Z",
    "eventVersion": "1.0",
    "oss": {
        "bucket": {
            "arn": "acs:oss:cn-shanghai:1234567890:photos",
            "name": "photos",
            "ownerIdentity": "1234567890",
            "virtualBucket": ""
        },
        "object": {
            "deltaSize": 122539,
            "eTag": "688A7BF4F233DC9C88A80BF985AB7329",
            "key": "image/a%20b c.jpg",
            "size": 122539,
            "objectMeta": {"mimeType": "image/jpeg"}
        },
        "ossSchemaVersion": "1.0",
        "ruleId": "9adac8e253828f4f7c0466d941fa3db81161e853"
    },
    "region": "cn-shanghai",
    "requestParameters": {"sourceIPAddress": "140.205.128.221"},
    "responseElements": {"requestId": "58F9FF2D3DF792092E12044C"},
    "userIdentity": {"principalId": "1234567890"}
}]}"""

SLS = b"""{
    "cursorTime": 1529486425,
    "jobName": "1f7043ced683de1a4e3d8d70b5a412843d817a39",
    "parameter": {"level": "error"},
    "source": {
        "beginCursor": "MTUyOTQ4MDIwOTY1NTk3ODQ2Mw==",
        "endCursor": "MTUyOTQ4MDIwOTY1NTk3ODQ2NA==",
        "endpoint": "http://cn-shanghai-intranet.log.aliyuncs.com",
        "logstoreName": "orders",
        "projectName": "shop",
        "shardId": 0
    },
    "taskId": "c2691505-38da-4d1b-998a-f1d4bb8c9994"
}"""

MNS_TOPIC = b"""{
    "TopicOwner": "118620210433",
    "Message": "hello topic",
    "Subscriber": "118620210434",
    "PublishTime": 1550216302888,
    "SubscriptionName": "shop",
    "MessageMD5": "BA4BA9B48AC81F0F9C66F6C909C39DBB",
    "TopicName": "orders",
    "MessageId": "2F5B3C281B283D4EAC694B7425288675",
    "colour": "red",
    "attributes": "an attribute of this name"
}"""

MNS_STREAM = b'{"body": "hello topic", "attrs": {"Extend": "{\\"key\\":\\"value\\"}"}}'

MNS_QUEUE = b"""{
    "id": "c2g71017-6f65-fhcf-a814-a396fc8d****",
    "source": "MNS-Function-mnstrigger",
    "specversion": "1.0",
    "type": "mns:Queue:SendMessage",
    "datacontenttype": "application/json; charset=utf-8",
    "subject": "acs:mns:cn-hangzhou:164901546557:queues/zeus",
    "time": "2026-04-08T06:28:17.093Z",
    "aliyunaccountid": "164901546557",
    "aliyunpublishtime": "2026-10-15T07:06:34.028Z",
    "aliyunoriginalaccountid": "164901546558",
    "aliyuneventbusname": "MNS-Function-mnstrigger",
    "aliyunregionid": "cn-chengdu",
    "aliyunpublishaddr": "42.120.1.2",
    "data": {
        "requestId": "606EA3074344430D4C81E0D2",
        "messageId": "C6DB60D1574661357FA227277445",
        "messageBody": "TEST"
    }
}"""

ROCKETMQ = b"""{
    "id": "94ebc15f-f0db-4bbe-acce-56fb72fb",
    "source": "RocketMQ-Function-rocketmq-trigger",
    "specversion": "1.0",
    "type": "mq:Topic:SendMessage",
    "datacontenttype": "application/json; charset=utf-8",
    "subject": "acs:mq:cn-hangzhou:164901546557:MQ_INST_1%TopicName",
    "time": "2026-04-08T06:01:20.766Z",
    "aliyunaccountid": "164901546557",
    "data": {
        "topic": "TopicName",
        "systemProperties": {
            "MIN_OFFSET": "0",
            "TRACE_ON": "true",
            "MAX_OFFSET": "8",
            "MSG_REGION": "cn-hangzhou",
            "KEYS": "order-7",
            "CONSUME_START_TIME": 1628577790396,
            "TAGS": "new",
            "INSTANCE_ID": "MQ_INST_1"
        },
        "userProperties": {"colour": "red"},
        "body": "TEST"
    }
}"""

KAFKA_MESSAGE = b"""{
    "data": {
        "topic": "HelloTopic",
        "partition": 9,
        "offset": 3,
        "timestamp": 1659346376797,
        "headers": {"headers": [], "isReadOnly": false},
        "value": "a \\"quoted\\" value"
    },
    "id": "1cb591f9-1a5d-4b66-8b2d-9a4f5f5c7c4e",
    "source": "acs:alikafka",
    "specversion": "1.0",
    "type": "alikafka:Topic:Message",
    "datacontenttype": "application/json; charset=utf-8",
    "time": "2026-08-01T09:32:56.797Z",
    "subject": "acs:alikafka:alikafka_pre-cn-1:topic:HelloTopic",
    "aliyunaccountid": "111112222233333"
}"""

KAFKA = json.dumps([KAFKA_MESSAGE.decode(), KAFKA_MESSAGE.decode()]).encode()

CDN = b"""{"events": [
    {
        "eventName": "LogFileCreated",
        "eventSource": "cdn",
        "region": "cn-hangzhou",
        "eventVersion": "1.0.0",
        "eventTime": "2026-06-14T15:31:49+08:00",
        "traceId": "c6459282-6a4d-4413-894c-e4ea39686738",
        "userIdentity": {"aliUid": "1xxxxxxxxxxxx"},
        "resource": {"domain": "example.com"},
        "eventParameter": {
            "domain": "example.com",
            "endTime": 1528959900,
            "fileSize": 1788115,
            "filePath": "http://cdnlog.oss-cn-hangzhou.aliyuncs.com/www.example.com/2026_06_14.gz?Expires=1",
            "startTime": 1528959600
        }
    },
    {
        "eventName": "CachedObjectsRefreshed",
        "eventSource": "cdn",
        "region": "cn-hangzhou",
        "eventVersion": "1.0.0",
        "eventTime": "2026-03-16T14:19:55+08:00",
        "traceId": "cf89e5a8-7d59-4bb5-a33e-4c3d08e25acf",
        "resource": {"domain": "example.com"},
        "eventParameter": {
            "objectPath": ["/2026/03/16/13/33b430c57e7.mp4", "/2026/03/16/14/4ff6b9bd54d.mp4"],
            "createTime": 1521180769,
            "domain": "example.com",
            "completeTime": 1521180777,
            "objectType": "File",
            "taskId": 2089687230
        },
        "userIdentity": {"aliUid": "1xxxxxxxxxxxx"}
    },
    {
        "eventName": "CdnDomainStarted",
        "eventSource": "cdn",
        "region": "cn-hangzhou",
        "eventVersion": "1.0.0",
        "eventTime": "2026-03-16T14:19:55+08:00",
        "traceId": "cf89e5a8-7d59-4bb5-a33e-4c3d08e25acf",
        "resource": {"domain": "example.com"},
        "eventParameter": {"domain": "example.com", "status": "online"},
        "userIdentity": {"aliUid": "1xxxxxxxxxxxx"}
    }
]}"""

TABLESTORE_DOCUMENT = {
    "Version": "Sync-v1",
    "Records": [
        {
            "Type": "PutRow",
            "Info": {"Timestamp": 1506416585740836},
            "PrimaryKey": [
                {"ColumnName": "pk_0", "Value": 1506416585881590900},
                {"ColumnName": "pk_1", "Value": b"\x00\xff"},
            ],
            "Columns": [
                {
                    "Type": "Put",
                    "ColumnName": "attr_0",
                    "Value": "hello_table_store",
                    "Timestamp": 1506416585741,
                },
                {"Type": "DeleteOneVersion", "ColumnName": "attr_1", "Timestamp": 1506416585742},
            ],
        }
    ],
}
TABLESTORE = cbor2.dumps(TABLESTORE_DOCUMENT)

API_GATEWAY = b"""{
    "path": "/orders/7",
    "httpMethod": "POST",
    "headers": {"Content-Type": "application/json"},
    "queryParameters": {"dry": "yes"},
    "pathParameters": {"id": "7"},
    "body": "eyJzaXplIjogN30=",
    "isBase64Encoded": true
}"""

HTTP = b"""{
    "version": "v1",
    "rawPath": "/a%20b",
    "body": "Hello FC!",
    "isBase64Encoded": false,
    "headers": {"Header1": "value1", "header2": "value1,value2"},
    "queryParameters": {"parameter1": "value1", "parameter2": "value1,value2"},
    "requestContext": {
        "accountId": "1234567890",
        "domainName": "shop-abcdef.cn-hangzhou.fcapp.run",
        "domainPrefix": "shop-abcdef",
        "http": {
            "method": "GET",
            "path": "/a b",
            "protocol": "HTTP/1.1",
            "sourceIp": "11.11.11.11",
            "userAgent": "PostmanRuntime/7.32.3"
        },
        "requestId": "1-64f6cd87-5b1e5a6f1d2c",
        "time": "2026-09-05T06:41:11Z",
        "timeEpoch": "1693896071895",
        "triggerId": "9c2c1a4c-5a1d"
    }
}"""

SAMPLES: dict[Any, bytes] = {
    TimerEvent: TIMER,
    OSSEvent: OSS,
    SLSEvent: SLS,
    MNSTopicEvent: MNS_TOPIC,
    MNSTopicStream: MNS_STREAM,
    MNSQueueEvent: MNS_QUEUE,
    RocketMQEvent: ROCKETMQ,
    KafkaEvent: KAFKA,
    CloudEvent[dict[str, Any]]: MNS_QUEUE,
    CDNEvent: CDN,
    TablestoreEvent: TABLESTORE,
    ApiGatewayRequest: API_GATEWAY,
    HttpRequest: HTTP,
    CloudEvent[OSSRecord]: samples.event("oss-eventbridge"),
    DataHubEvent: samples.event("datahub"),
    DTSEvent: samples.event("dts"),
    MQTTEvent: samples.event("mqtt"),
    RabbitMQEvent: samples.event("rabbitmq"),
}

QUEUES = {
    MNSQueueEvent: MNS_QUEUE,
    RocketMQEvent: ROCKETMQ,
    KafkaEvent: KAFKA_MESSAGE,
    RabbitMQEvent: samples.event("rabbitmq").strip(b"[]"),
    DTSEvent: samples.event("dts")[1:-1],
}


def test_a_timer_s_event() -> None:
    event = decode(TIMER, TimerEvent)
    assert (event.trigger_name, event.trigger_time) == ("nightly", "2026-07-29T10:02:58Z")
    assert json.loads(event.payload) == {"all": True}
    assert event.when == datetime(2026, 7, 29, 10, 2, 58, tzinfo=UTC)


def test_an_oss_event() -> None:
    [record] = decode(OSS, OSSEvent).events
    assert (record.event_name, record.region) == ("ObjectCreated:PutObject", "cn-shanghai")
    assert (record.bucket, record.key) == ("photos", "image/a%20b c.jpg")  # nothing is decoded
    assert record.oss.object.size == record.oss.object.delta_size == 122539
    assert record.oss.object.e_tag == "688A7BF4F233DC9C88A80BF985AB7329"
    assert record.oss.object.object_meta is not None
    assert record.oss.object.object_meta.mime_type == "image/jpeg"
    assert record.request_parameters.source_ip_address == "140.205.128.221"
    assert record.response_elements.request_id == "58F9FF2D3DF792092E12044C"
    assert record.user_identity.principal_id == "1234567890"
    assert record.when == datetime(2026, 4, 21, 12, 46, 37, tzinfo=UTC)


def test_an_oss_event_without_what_newer_ones_have() -> None:
    document = json.loads(OSS)
    del document["events"][0]["oss"]["object"]["objectMeta"]
    [record] = decode(json.dumps(document).encode(), OSSEvent).events
    assert record.oss.object.object_meta is None


def test_a_log_trigger_s_event() -> None:
    event = decode(SLS, SLSEvent)
    assert (event.job_name[:6], event.task_id[:8]) == ("1f7043", "c2691505")
    assert event.parameter == {"level": "error"}
    assert (event.source.project_name, event.source.logstore_name) == ("shop", "orders")
    assert (event.source.shard_id, event.source.begin_cursor[:3]) == (0, "MTU")
    assert event.source.end_cursor.endswith("NA==")
    assert event.when == datetime(2018, 6, 20, 9, 20, 25, tzinfo=UTC)


def test_an_mns_topic_s_event_as_json() -> None:
    event = decode(MNS_TOPIC, MNSTopicEvent)
    assert (event.message, event.topic_name) == ("hello topic", "orders")
    assert (event.topic_owner, event.subscriber) == ("118620210433", "118620210434")
    assert (event.subscription_name, event.message_md5[:4]) == ("shop", "BA4B")
    assert event.message_id == "2F5B3C281B283D4EAC694B7425288675"
    assert event.attributes == {"colour": "red", "attributes": "an attribute of this name"}
    assert event.when == datetime(2019, 2, 15, 7, 38, 22, 888000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "body", "attrs"),
    [
        (b"hello topic", "hello topic", {}),
        (b"", "", {}),
        (b'{"body": "hello topic"}', '{"body": "hello topic"}', {}),
        (b'{"body": 1, "attrs": {}}', '{"body": 1, "attrs": {}}', {}),
        (b'{"body": "a", "attrs": {}, "c": 1}', '{"body": "a", "attrs": {}, "c": 1}', {}),
        (b"[" * 2000, "[" * 2000, {}),
        (MNS_STREAM, "hello topic", {"Extend": '{"key":"value"}'}),
    ],
)
def test_an_mns_topic_s_event_as_a_stream(event: bytes, body: str, attrs: dict[str, Any]) -> None:
    assert decode(event, MNSTopicStream) == MNSTopicStream(body=body, attrs=attrs)


def test_an_mns_queue_s_event() -> None:
    [event] = decode(MNS_QUEUE, MNSQueueEvent).messages
    assert event.data.message_body == "TEST"
    assert (event.data.request_id[:4], event.data.message_id[:4]) == ("606E", "C6DB")
    assert (event.type, event.source) == ("mns:Queue:SendMessage", "MNS-Function-mnstrigger")
    assert (event.account_id, event.original_account_id) == ("164901546557", "164901546558")
    assert (event.event_bus_name, event.region_id) == ("MNS-Function-mnstrigger", "cn-chengdu")
    assert (event.publish_time, event.publish_address) == ("2026-10-15T07:06:34.028Z", "42.120.1.2")
    assert event.when == datetime(2026, 4, 8, 6, 28, 17, 93000, tzinfo=UTC)


class Order(msgspec.Struct):
    size: int


def test_an_eventbridge_event_has_data_of_any_type() -> None:
    document = {"id": "1", "source": "shop", "type": "shop:order", "data": {"size": 7}}
    event = decode(json.dumps(document).encode(), CloudEvent[Order])
    assert event.data.size == 7
    assert (event.specversion, event.when) == ("1.0", None)
    untyped = decode(json.dumps(document).encode(), CloudEvent)
    assert untyped.data == {"size": 7}
    with pytest.raises(InvalidEvent, match=r"CloudEvent\[Order\]: \$.data.size: expected int, got"):
        decode(json.dumps({**document, "data": {"size": "7"}}).encode(), CloudEvent[Order])


@pytest.mark.parametrize("zone", ["Z", "+08:00", "", "Asia/Shanghai", "PRC", "America/New_York"])
def test_a_time_may_name_its_zone(zone: str) -> None:
    event = decode(samples.event("cloudevent", time=f"2026-01-17T16:04:46.149{zone}"), CloudEvent)
    assert event.when is not None
    hours = {"Z": 0, "": 0, "America/New_York": -5}.get(zone, 8)
    assert event.when.utcoffset() == timedelta(hours=hours)
    assert event.when.replace(tzinfo=None) == datetime(2026, 1, 17, 16, 4, 46, 149000)


@pytest.mark.parametrize("time", ["yesterday", "2026-01-17T16:04:46Nowhere/City", "1x", "Asia/X"])
def test_a_time_that_is_none_is_a_value_error(time: str) -> None:
    event = decode(samples.event("cloudevent", time=time), CloudEvent)
    with pytest.raises(ValueError, match=r"Invalid RFC3339|is not known on this system"):
        assert event.when


def test_an_object_s_event_through_eventbridge_holds_the_record() -> None:
    event = decode(samples.event("oss-eventbridge", key="a.jpg"), CloudEvent[OSSRecord])
    assert (event.type, event.data.key) == ("oss:ObjectCreated:PutObject", "a.jpg")
    assert event.data.oss.object.object_meta is not None
    assert event.data.oss.object.object_meta.user_meta == {}


@pytest.mark.parametrize("kind", QUEUES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("form", ["objects", "texts", "data alone", "one", "one's data", "none"])
def test_messages_come_in_every_form_that_eventbridge_has(kind: Any, form: str) -> None:
    message = json.loads(QUEUES[kind])
    [expected] = decode(QUEUES[kind], kind).messages
    sent: Any = {
        "objects": [message, message],
        "texts": [json.dumps(message)] * 2,
        "data alone": [message["data"]] * 2,
        "one": message,
        "one's data": message["data"],
        "none": [],
    }[form]
    messages = decode(b" " + json.dumps(sent).encode(), kind).messages
    assert len(messages) == (len(sent) if isinstance(sent, list) else 1)
    for each in messages:
        assert each.data == expected.data
        assert (each.id, each.type, each.when) == (
            ("", "", None) if "data" in form else (expected.id, expected.type, expected.when)
        )


def test_the_smallest_message_of_a_queue_is_taken() -> None:
    event = b'[{"id":"1","source":"s","type":"mns:Queue:SendMessage","data":{"messageBody":"T"}}]'
    assert decode(event, MNSQueueEvent).messages[0].data.message_body == "T"


@pytest.mark.parametrize("body", ["text", {"size": 7}, [1], 7, None])
def test_a_message_s_body_is_text_or_the_value_that_eventbridge_has_read(body: Any) -> None:
    for kind in ("rocketmq", "rocketmq-self-built", "rabbitmq", "mqtt", "mns-queue"):
        [message] = decode(samples.event(kind, body=body), samples.type_of(kind)).messages
        assert getattr(message.data, "message_body", getattr(message.data, "body", 0)) == body
    [record] = decode(samples.event("kafka", value=body), KafkaEvent).messages
    assert record.data.value == body


def test_a_rocketmq_message_has_its_properties() -> None:
    [message] = decode(ROCKETMQ, RocketMQEvent).messages
    assert (message.data.topic, message.data.body) == ("TopicName", "TEST")
    assert message.data.system_properties["CONSUME_START_TIME"] == 1628577790396
    assert (message.data.user_properties, message.data.msg_id) == ({"colour": "red"}, "")
    [own] = decode(samples.event("rocketmq-self-built"), RocketMQEvent).messages
    assert own.data.msg_id == "7F0000010BDD2A84AEE70DA49B570001"
    assert (own.id, own.data.system_properties["CLUSTER"]) == ("", "DefaultCluster")


def test_a_kafka_record_has_its_fields() -> None:
    first, second = decode(KAFKA, KafkaEvent).messages
    assert first == second
    assert (first.data.topic, first.data.partition, first.data.offset) == ("HelloTopic", 9, 3)
    assert (first.data.value, first.data.key) == ('a "quoted" value', None)
    assert (first.data.headers.headers, first.data.headers.is_read_only) == ((), False)
    assert first.data.timestamp == 1659346376797
    assert first.account_id == "111112222233333"


def test_a_rabbitmq_message_has_its_envelope() -> None:
    [message] = decode(samples.event("rabbitmq", queue="q", exchange="e"), RabbitMQEvent).messages
    envelope = message.data.envelope
    assert (envelope.delivery_tag, envelope.redeliver) == (98, False)
    assert (envelope.exchange, envelope.routing_key) == ("e", "q")
    assert message.data.props["contentEncoding"] == "UTF-8"


def test_an_mqtt_message_has_its_topics() -> None:
    [message] = decode(samples.event("mqtt"), MQTTEvent).messages
    props = message.data.props
    assert (props.first_topic, props.second_topic) == ("orders", "/new")
    assert (props.client_id, message.data.body) == ("GID_shop@@@7", "hello mqtt")


def test_a_datahub_event() -> None:
    event = decode(samples.event("datahub"), DataHubEvent)
    assert event.event_source_arn == "/projects/shop/topics/orders"
    [record] = event.records
    assert json.loads(record.data) == ["o-1", "7"]
    assert record.when == datetime(2016, 5, 11, 20, 55, 23, tzinfo=UTC)


def test_a_changed_row_has_its_values_by_name() -> None:
    [message] = decode(samples.event("dts"), DTSEvent).messages
    before, after = message.data.before_image, message.data.after_image
    assert before is not None
    assert after is not None
    assert (before.row, after.row) == ({"id": 115, "state": "new"}, {"id": 115, "state": "paid"})
    schema = message.data.schema
    assert schema is not None
    assert (schema.database_name, schema.table_name) == ("shop", "orders")
    assert schema.primary_index_info is not None
    assert schema.primary_index_info.index_fields == (schema.name_index["id"],)
    assert (message.data.operation_type, message.data.source_timestamp) == ("UPDATE", 1654847757)


@pytest.mark.parametrize(
    ("data", "charset", "value"),
    [
        ({"hb": [-61, -92]}, "utf8mb4", "ä"),  # as Java counts bytes
        ({"hb": [195, 164]}, "utf8", "ä"),
        ({"hb": [195]}, "utf8", "\ufffd"),
        ({"hb": [0, 255]}, "binary", b"\x00\xff"),
        ({"hb": "?"}, "utf8", {"hb": "?"}),
        ({"hb": ["?"]}, "utf8", {"hb": ["?"]}),
        (None, "", None),
        (7, "", 7),
        ("text", "utf8", "text"),
    ],
)
def test_a_value_of_a_row(data: Any, charset: str, value: Any) -> None:
    assert events.DTSValue(data=data, charset=charset).value == value


def test_a_row_that_was_inserted_has_no_image_before() -> None:
    document = json.loads(samples.event("dts"))
    document[0]["data"]["beforeImage"] = None
    document[0]["data"]["afterImage"]["values"][1] = None
    [message] = decode(json.dumps(document).encode(), DTSEvent).messages
    assert message.data.before_image is None
    assert message.data.after_image is not None
    assert message.data.after_image.row == {"id": 115, "state": None}


def test_cdn_events_of_every_known_kind() -> None:
    log, refreshed, started = decode(CDN, CDNEvent).events
    assert log.event_name == "LogFileCreated"
    assert log.event_parameter.file_size == 1788115
    assert (log.event_parameter.start_time, log.event_parameter.end_time) == (
        1528959600,
        1528959900,
    )
    assert (log.event_parameter.file_path or "").startswith("http://cdnlog")
    assert log.when.utcoffset() == timedelta(hours=8)
    assert log.when == datetime(2026, 6, 14, 7, 31, 49, tzinfo=UTC)
    assert log.user_identity == {"aliUid": "1xxxxxxxxxxxx"}
    assert len(refreshed.event_parameter.object_path or ()) == 2
    assert refreshed.event_parameter.complete_time == 1521180777
    assert (refreshed.event_parameter.object_type, refreshed.event_parameter.task_id) == (
        "File",
        2089687230,
    )
    assert started.event_parameter.domain == "example.com"
    assert started.event_parameter.object_path is None
    document = json.loads(CDN)
    document["events"][2]["eventParameter"]["status"] = "online"
    assert decode(json.dumps(document).encode(), CDNEvent).events[2].event_parameter.status == (
        "online"
    )


def test_a_tablestore_event() -> None:
    event = decode(TABLESTORE, TablestoreEvent)
    [record] = event.records
    assert (event.version, record.type) == ("Sync-v1", "PutRow")
    assert [key.value for key in record.primary_key] == [1506416585881590900, b"\x00\xff"]
    put, deleted = record.columns
    assert (put.column_name, put.value, put.timestamp) == (
        "attr_0",
        "hello_table_store",
        1506416585741,
    )
    assert (deleted.type, deleted.value) == ("DeleteOneVersion", None)
    assert record.when.replace(microsecond=0) == datetime(2017, 9, 26, 9, 3, 5, tzinfo=UTC)


def test_an_api_gateway_s_request() -> None:
    event = decode(API_GATEWAY, ApiGatewayRequest)
    assert (event.path, event.http_method) == ("/orders/7", "POST")
    assert (event.path_parameters, event.query_parameters) == ({"id": "7"}, {"dry": "yes"})
    assert (event.content, event.json()) == (b'{"size": 7}', {"size": 7})
    assert event.header("content-type") == "application/json"
    assert event.header("x-none", "none") == "none"


def test_a_web_request_of_fc_3() -> None:
    event = decode(HTTP, HttpRequest)
    assert (event.method, event.path, event.raw_path) == ("GET", "/a b", "/a%20b")
    assert (event.content, event.is_base64_encoded) == (b"Hello FC!", False)
    assert event.header("HEADER2") == "value1,value2"
    assert event.query_parameters["parameter2"] == "value1,value2"
    assert event.request_context.http.source_ip == "11.11.11.11"
    assert event.request_context.http.user_agent == "PostmanRuntime/7.32.3"
    assert event.request_context.time_epoch == "1693896071895"
    assert event.request_context.trigger_id == "9c2c1a4c-5a1d"
    assert event.request_context.domain_prefix == "shop-abcdef"


@pytest.mark.parametrize(
    ("body", "encoded", "reported"),
    [
        ("no base64", True, "the request's body is not base64"),
        ("é", True, "the request's body is not base64"),
        ("", False, "the request's body is malformed JSON at byte 0: it ends too early"),
        ("{x}", False, "the request's body is malformed JSON at byte 1: object keys must be"),
        ("/w==", True, "the request's body is malformed JSON at byte 0: invalid character"),
    ],
)
def test_a_body_that_is_not_what_it_should_be(body: str, encoded: bool, reported: str) -> None:
    request = ApiGatewayRequest(path="/", http_method="GET", body=body, is_base64_encoded=encoded)
    with pytest.raises(InvalidEvent, match=reported):
        request.json()


def test_a_response_has_fc_s_names() -> None:
    answer = HttpResponse(status_code=201, headers={"Set-Cookie": ["a=1", "b=2"]}, body="é")
    assert json.loads(encode(answer)) == {
        "statusCode": 201,
        "headers": {"Set-Cookie": ["a=1", "b=2"]},
        "isBase64Encoded": False,
        "body": "é",
    }
    assert json.loads(encode(HttpResponse())) == {
        "statusCode": 200,
        "headers": {},
        "isBase64Encoded": False,
        "body": "",
    }


@given(st.binary())
def test_a_response_s_bytes_are_sent_as_base64(body: bytes) -> None:
    answer = json.loads(encode([HttpResponse(body=body)]))[0]
    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(answer["body"]) == body


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind is not TablestoreEvent], ids=str)
def test_an_event_that_is_encoded_is_decoded_again(kind: Any) -> None:
    event = decode(SAMPLES[kind], kind)
    assert decode(encode(getattr(event, "messages", event)), kind) == event


def test_fields_that_are_not_known_are_left_out() -> None:
    for kind, sample in SAMPLES.items():
        if kind in (MNSTopicStream, MNSTopicEvent, KafkaEvent, TablestoreEvent):
            continue
        document = json.loads(sample)
        for each in document if isinstance(document, list) else [document]:
            each["fieldOfTomorrow"] = {"a": 1}
        assert decode(json.dumps(document).encode(), kind) == decode(sample, kind)


@pytest.mark.parametrize(
    ("kind", "event", "reported"),
    [
        (TimerEvent, b'{"triggerTime": 7, "triggerName": ""}',
         "does not fit TimerEvent: $.triggerTime: expected str, got int"),
        (OSSEvent, TIMER, "does not fit OSSEvent: object missing required field events"),
        (OSSEvent, OSS.replace(b'"size": 122539', b'"size": "122539"'),
         "OSSEvent: $.events[0].oss.object.size: expected int, got str"),
        (OSSEvent, OSS[:300], "OSSEvent: malformed JSON at byte 300: it ends too early"),
        (OSSEvent, b"", "OSSEvent: it is empty"),
        (SLSEvent, b'{"cursorTime": 1, "source": {}}', "SLSEvent: $.source: object missing"),
        (MNSTopicEvent, b"hello topic", "MNSTopicEvent: malformed JSON at byte 0"),
        (MNSTopicEvent, MNS_TOPIC.replace(b"1550216302888", b'"x"'),
         "MNSTopicEvent: $.PublishTime: expected int, got str"),
        (MNSTopicStream, b"hello \xff", "MNSTopicStream: not UTF-8 at byte 6"),
        (MNSQueueEvent, ROCKETMQ, "$.data: object missing required field messageBody"),
        (RocketMQEvent, b"[" + ROCKETMQ + b', {"id": 1}]',
         "RocketMQEvent: $[1]: object missing required field topic"),
        (RocketMQEvent, b"[" + ROCKETMQ + b', {"type": "", "id": 1}]',
         "RocketMQEvent: $[1].id: expected str, got int"),
        (MNSQueueEvent, b"[]x", "MNSQueueEvent: malformed JSON"),
        (MNSQueueEvent, b'[{"data": {"messageBody": 7}}]', "$[0]: object missing required field"),
        (RabbitMQEvent, b'[{"envelope": {}}]', "$[0]: object missing required field body"),
        (DTSEvent, b'{"data": 7}', "DTSEvent: $.data: expected object, got int"),
        (DataHubEvent, OSS, "DataHubEvent: object missing required field records"),
        (RocketMQEvent, b"7", "RocketMQEvent: expected object, got int"),
        (KafkaEvent, KAFKA[::-1].replace(b",3", b",][", 1)[::-1],
         "KafkaEvent: $[1].data.offset: expected int, got array"),
        (KafkaEvent, b'["{", "{}"]', "KafkaEvent: $[0]: malformed JSON at byte 1: it ends"),
        (KafkaEvent, b"[7]", "KafkaEvent: $[0]: expected object, got int"),
        (KafkaEvent, b'["' + b"[" * 3000 + b'"]', "KafkaEvent: $[0]: expected object, got array"),
        (CDNEvent, b'{"events": [{"eventName": "x",}]}', "CDNEvent: malformed JSON at byte 30"),
        (CDNEvent, KAFKA, "CDNEvent: expected object, got array (EventBridge sends an array of "
         "JSON strings for Kafka: ask for KafkaEvent)"),
        (TimerEvent, TABLESTORE, "(Tablestore sends CBOR: ask for TablestoreEvent)"),
        (TablestoreEvent, TABLESTORE[:40], "TablestoreEvent: truncated CBOR at byte 40"),
        (TablestoreEvent, b"", "TablestoreEvent: it is empty"),
        (TablestoreEvent, b"\xff\x00", "TablestoreEvent: malformed CBOR: "),
        (TablestoreEvent, TIMER, "does not fit TablestoreEvent: "),
        (TablestoreEvent, cbor2.dumps({1: 2}), "does not fit TablestoreEvent: "),
        (TablestoreEvent, cbor2.dumps({"Records": [{"Type": 1}]}),
         "TablestoreEvent: $.Records[0].Type: expected str, got int"),
        (HttpRequest, API_GATEWAY, "HttpRequest: object missing required field rawPath"),
        (ApiGatewayRequest, HTTP, "ApiGatewayRequest: object missing required field path"),
    ],
)  # fmt: skip
def test_an_event_of_another_kind_is_reported_as_such(
    kind: Any, event: bytes, reported: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(event, kind)
    assert reported in str(caught.value)


@settings(deadline=None)
@given(st.data())
def test_a_cut_or_changed_event_is_decoded_or_is_an_invalid_event(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(SAMPLES)))
    sample = SAMPLES[kind]
    at = data.draw(st.integers(0, len(sample)))
    end = at + data.draw(st.integers(0, 20))
    event = sample[:at] + data.draw(st.binary(max_size=3)) + sample[end:]
    with contextlib.suppress(InvalidEvent):
        assert isinstance(decode(event, kind), getattr(kind, "__origin__", kind))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_a_tablestore_event_or_an_invalid_event(event: bytes) -> None:
    with contextlib.suppress(InvalidEvent):
        assert isinstance(decode(event, TablestoreEvent), TablestoreEvent)


def test_every_type_of_an_event_can_be_imported() -> None:
    assert sorted(events.__all__) == dir(events)
    assert all(getattr(events, name).__doc__ for name in events.__all__)


def test_the_source_of_every_kind_of_event_is_named() -> None:
    for kind in TYPES:
        type_ = samples.type_of(kind)
        assert "Source: " in (getattr(type_, "__origin__", type_).__doc__ or ""), kind
        assert (
            f"| `{kind}` |"
            in (Path(__file__).parents[2] / "docs" / "how-to" / "events.md").read_text()
        )


def test_a_handler_pays_for_the_types_that_it_asks_for() -> None:
    script = (
        "import sys; from fcplug.events import OSSEvent\n"
        "print(*(name for name in sys.modules if name.startswith('fcplug.events.')))"
    )
    names = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    ).stdout.split()
    assert sorted(names) == ["fcplug.events.oss", "fcplug.events.timestamps", "fcplug.events.wire"]


def test_the_documented_handlers_run(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "events.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    order = b'{"id": "o-1", "sizes": [3, 4]}'
    expected = (
        (OSS, ["photos/image/a%20b c.jpg"]),
        (order, {"id": "o-1", "total": 7}),
        (ROCKETMQ, ["TEST"]),
        (HTTP, HttpResponse(status_code=201, headers={"Content-Type": "text/plain"},
                            body="GET /a b").to_json()),
    )  # fmt: skip
    for number, (snippet, (event, answer)) in enumerate(zip(snippets, expected, strict=True)):
        code(f"snippet{number}", snippet)
        runtime = serve(f=f"snippet{number}:handle")
        assert json.loads(runtime.invoke(event, called("f")).body) == answer
    wrong = serve(f="snippet1:handle").invoke(order.replace(b"[3,", b'[3, 4, "5",'), called("f"))
    [documented] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(wrong.body) == json.loads(documented)


def test_the_samples_in_the_docstrings_are_taken() -> None:
    kinds = {kind for kind in SAMPLES if not get_args(kind)} - {TablestoreEvent, MNSTopicStream}
    for kind in {*kinds, CloudEvent}:
        assert "::\n\n" in (kind.__doc__ or "")
        [sample] = [
            "\n".join(line.strip() for line in part.splitlines())
            for part in (kind.__doc__ or "").split("::\n\n")[1:]
        ][:1]
        text = sample.partition("\n\n")[0].replace("\n", " ")
        decode(text.replace('\\"id', '\\"id').encode(), kind)


def test_the_runtime_starts_without_the_types_of_events() -> None:
    script = (
        "import sys, fcplug, fcplug.cli, fcplug.instance, fcplug.runtime.runtime\n"
        "print(*(name for name in sys.modules if name.startswith('fcplug.events')))"
    )
    names = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    ).stdout.split()
    assert names == []


def test_a_missing_library_is_a_load_error_with_the_command_that_installs_it(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("cbor2", "raise ModuleNotFoundError('No module of this name', name='cbor2')")
    code("index", "from fcplug.events import TablestoreEvent\n"
         "def handle(event: TablestoreEvent): return len(event.records)\n")  # fmt: skip
    runtime = serve(
        f={"handler": "index:handle", "isolation": "process"}
    )  # where nothing is imported
    answer = runtime.invoke(TABLESTORE, called("f"))
    runtime.stop(20)
    assert isinstance(answer.error, PluginError)
    assert answer.error.kind == "ImportModuleError"
    assert f"{sys.executable} -m pip install cbor2" in str(answer.error)


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'OSEvent'"):
        getattr(events, "OSEvent")  # noqa: B009


FUNCTIONS = """\
from __future__ import annotations
from dataclasses import dataclass
from fcplug import hookimpl
from fcplug.events import HttpRequest, HttpResponse, KafkaEvent, OSSEvent, TablestoreEvent
@dataclass
class Thumbnail:
    bucket: str
    key: str
def function(event: OSSEvent, context):
    return [Thumbnail(record.bucket, record.key) for record in event.events]
async def coroutine(event: TablestoreEvent):
    return [key.column_name for record in event.records for key in record.primary_key]
class Handler:
    @hookimpl
    def invoke(self, event: KafkaEvent, context):
        return [message.data.offset for message in event.messages]
@hookimpl
def invoke(event: HttpRequest):
    return HttpResponse(body=event.content, headers={"X-Path": event.path})
"""


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_events_reach_every_shape_of_handler_over_http(tmp_path: Path, isolation: str) -> None:
    config = f"version: 1\ndefaults: {{isolation: {isolation}}}\nfunctions:\n" + "".join(
        f"  {name}: {{handler: '{handler}'}}\n"
        for name, handler in {
            "oss": "functions:function",
            "rows": "functions.coroutine",
            "kafka": "functions:Handler",
            "web": "package.functions",
        }.items()
    )
    folder = deploy(tmp_path, config, {"functions.py": FUNCTIONS})
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("import functions\n")
    with start(folder) as instance:
        assert json.loads(instance.invoke("oss", OSS).body) == [
            {"bucket": "photos", "key": "image/a%20b c.jpg"}
        ]
        assert json.loads(instance.invoke("rows", TABLESTORE).body) == ["pk_0", "pk_1"]
        assert json.loads(instance.invoke("kafka", KAFKA).body) == [3, 3]
        assert json.loads(instance.invoke("web", HTTP).body) == {
            "statusCode": 200,
            "headers": {"X-Path": "/a b"},
            "isBase64Encoded": True,
            "body": base64.b64encode(b"Hello FC!").decode(),
        }
        wrong = instance.invoke("oss", TABLESTORE)
        assert (wrong.status, wrong.headers["x-fc-status"]) == (404, "404")
        document = json.loads(wrong.body)
        assert document["errorType"] == "InvalidEvent"
        assert "ask for TablestoreEvent" in document["errorMessage"]
        assert "stackTrace" not in document
        assert instance.invoke("oss", OSS).status == 200
