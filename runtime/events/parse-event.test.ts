import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { test } from "node:test";
import { BellhopError } from "../../core/errors.ts";
import { newId } from "../../core/store/ids.ts";
import { parseEvent } from "./parse-event.ts";

const runId = newId();
const data = { runId, availableAt: 1_767_225_600_000 };
const bell = { runId, availableAt: new Date("2026-01-01T00:00:00Z") };
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

/** As Knative's KafkaSource sends a message without headers of its own: without a content-type. */
const binary: IncomingHttpHeaders = {
  "ce-specversion": "1.0",
  "ce-id": "partition:3/offset:17",
  "ce-source": "/apis/v1/namespaces/bellhop/kafkasources/runs#bellhop.runs",
  "ce-type": "dev.knative.kafka.event",
  "ce-subject": "partition:3#17",
  "ce-time": "2026-01-01T00:00:00Z",
  "ce-key": runId,
  "ce-partitionkey": runId,
};
const event = { specversion: "1.0", id: "1", source: "/here", type: "any.type", data };
const structured = { "content-type": "application/cloudevents+json; charset=UTF-8" };

interface Refusal {
  status: number;
  code: string;
  field?: string;
}

function refusal(headers: IncomingHttpHeaders, body: Uint8Array): Refusal {
  try {
    parseEvent(headers, body);
  } catch (error) {
    assert.ok(error instanceof BellhopError, String(error));
    const [first] = error.fields;
    return { status: error.status, code: error.code, ...(first ? { field: first.field } : {}) };
  }
  assert.fail("the event was taken");
}

test("binary mode: the message is the data, with or without a JSON content-type", () => {
  for (const type of [
    undefined,
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/vnd.bell+json",
  ]) {
    const headers = type === undefined ? binary : { ...binary, "content-type": type };
    assert.deepEqual(parseEvent(headers, bytes(data)), bell, type);
  }
});

test("structured mode: data as JSON, or in base64", () => {
  assert.deepEqual(parseEvent(structured, bytes(event)), bell);
  const { data: _data, ...rest } = event;
  const encoded = {
    ...rest,
    datacontenttype: "application/json",
    data_base64: bytes(data).toString("base64"),
  };
  assert.deepEqual(parseEvent(structured, bytes(encoded)), bell);
});

test("attributes in headers may be quoted and percent-encoded, and must be UTF-8", () => {
  const given = {
    ...binary,
    "ce-id": '"a \\"quoted\\" id"',
    "ce-source": "/caf%c3%A9%20%F0%9F%9B%8E",
    "ce-specversion": '"1.0"',
  };
  assert.deepEqual(parseEvent(given, bytes(data)), bell);
  const overlong = { ...binary, "ce-source": "/%C0%A0" };
  assert.deepEqual(refusal(overlong, bytes(data)), {
    status: 400,
    code: "invalid_event",
    field: "ce-source",
  });
});

test("a batch is refused, and says so", () => {
  const headers = { "content-type": "application/cloudevents-batch+json" };
  assert.throws(() => parseEvent(headers, bytes([event])), /Batches of events are not taken here/);
  assert.deepEqual(refusal(headers, bytes([])), {
    status: 415,
    code: "unsupported_media_type",
    field: "content-type",
  });
});

test("media types that are not read here are refused", () => {
  for (const type of [
    "application/cloudevents",
    "application/cloudevents+avro",
    "text/plain",
    "application/jsonp",
  ]) {
    const given = refusal({ ...binary, "content-type": type }, bytes(data));
    assert.deepEqual(given, { status: 415, code: "unsupported_media_type", field: "content-type" }, type);
  }
  const latin = refusal({ ...binary, "content-type": "application/json; charset=iso-8859-1" }, bytes(data));
  assert.equal(latin.status, 415);
  const inside = refusal(structured, bytes({ ...event, datacontenttype: "application/xml" }));
  assert.deepEqual(inside, { status: 415, code: "unsupported_media_type", field: "datacontenttype" });
});

test("each needed attribute is named where it is missing, in both modes", () => {
  for (const name of ["specversion", "id", "source", "type"]) {
    for (const value of [undefined, ""]) {
      const wrong = { status: 400, code: "invalid_event" };
      const headers = { ...binary, [`ce-${name}`]: value };
      assert.deepEqual(refusal(headers, bytes(data)), { ...wrong, field: `ce-${name}` });
      assert.deepEqual(refusal(structured, bytes({ ...event, [name]: value })), { ...wrong, field: name });
    }
  }
});

test("another version of the specification is refused", () => {
  for (const version of ["0.3", "1", "2.0"]) {
    assert.equal(refusal({ ...binary, "ce-specversion": version }, bytes(data)).field, "ce-specversion");
    assert.equal(refusal(structured, bytes({ ...event, specversion: version })).field, "specversion");
  }
  assert.equal(refusal(structured, bytes({ ...event, specversion: 1 })).field, "specversion");
});

test("what is no event at all is refused", () => {
  const plain = refusal({ "content-type": "application/json" }, bytes(data));
  assert.deepEqual(plain, { status: 400, code: "invalid_event", field: "ce-specversion" });
  for (const text of ["", "{", "\0", "[]", "null", '"text"', "7"])
    assert.equal(refusal(structured, bytes(text)).code, "invalid_event", text);
});

test("malformed data names where it stood", () => {
  for (const text of ["{", "\0", "{'runId': 1}"])
    assert.deepEqual(
      refusal(binary, bytes(text)),
      { status: 400, code: "invalid_event", field: "data" },
      text,
    );
  assert.equal(refusal(binary, Buffer.from([0x22, 0xff, 0x22])).field, "data");
  const { data: _data, ...rest } = event;
  for (const base64 of ["%%", 7, bytes("{").toString("base64")])
    assert.equal(refusal(structured, bytes({ ...rest, data_base64: base64 })).field, "data_base64");
  assert.equal(refusal(structured, bytes({ ...event, data_base64: "e30=" })).field, "data_base64");
});

test("data that is no bell names the field", () => {
  const wrong = { status: 422, code: "not_a_bell" };
  const cases: [unknown, string][] = [
    [[], "data"],
    ["text", "data"],
    [{ availableAt: 1 }, "data.runId"],
    [{ runId: "x", availableAt: 1 }, "data.runId"],
    [{ runId }, "data.availableAt"],
    [{ runId, availableAt: "soon" }, "data.availableAt"],
  ];
  for (const [value, field] of cases) {
    assert.deepEqual(refusal(binary, Buffer.from(JSON.stringify(value))), { ...wrong, field });
    assert.deepEqual(refusal(structured, bytes({ ...event, data: value })), { ...wrong, field });
  }
  // A message without a value, such as a tombstone.
  assert.deepEqual(refusal(binary, bytes("")), { ...wrong, field: "data" });
  const { data: _data, ...rest } = event;
  assert.deepEqual(refusal(structured, bytes(rest)), { ...wrong, field: "data" });
});
