"""What schemathesis is told of Bellhop: which things there are, so that requests meet some, and what it must not ask for."""

import hashlib
import json
import os
import random
import re
from urllib.parse import urlsplit, urlunsplit

import schemathesis

GIVEN = json.loads(os.environ["BELLHOP_FUZZ_KNOWN"])
SINK = urlsplit(GIVEN["sink"])
# Kind of thing, as paths call it -> names and ids of some. What responses name is added.
KNOWN = {kind: list(names) for kind, names in GIVEN["things"].items()}
MOST_KNOWN = 200

# Where a body or a query refers to a thing.
REFERENCES = {
    "function": "functions",
    "queue": "queues",
    "calendar": "calendars",
    "task": "tasks",
    "taskId": "tasks",
    "runId": "runs",
    "run": "runs",
    "tag": "tags",
    "revision": "revisions",
}
NAMED = {"functions", "queues", "calendars", "namespaces"}
# A share of requests names what was made up.
AIMED = 0.8
# Older ones are removed, cancelled or over by now, most likely.
RECENT = 10


@schemathesis.hook
def before_call(context, case, kwargs):
    draw = draws_of(case)
    aim_path(case, draw)
    if isinstance(case.query, dict):
        case.query = aim_references(case.query, draw)
    case.body = stay_home(aim_references(case.body, draw))
    do_not_wait(case)


@schemathesis.hook
def after_call(context, case, response):
    if not 200 <= response.status_code < 300:
        return
    try:
        body = response.json()
    except ValueError:
        return
    kind = case.operation.path.split("/")[2] if case.operation.path.startswith("/v1/") else None
    for thing in body.get("items") or [body] if isinstance(body, dict) else []:
        if isinstance(thing, dict):
            learn(kind, thing, case.operation.path)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A call that fails by its function's fault is a 5xx, with the run's own code: docs/api.md, Invoke."""
    is_call = case.operation.path.endswith("/invoke") or case.operation.path.startswith("/fn/")
    if not is_call or not isinstance(failure, schemathesis.core.failures.ServerError):
        return True
    return code_of(response) in (None, "internal_error", "database_unavailable")


def code_of(response):
    try:
        body = response.json()
    except ValueError:
        return None
    return body.get("code") if isinstance(body, dict) else None


def draws_of(case):
    """The same for the same request: a seed repeats it."""
    told = f"{case.operation.label} {case.path_parameters} {case.query} {case.body!r}"
    return random.Random(hashlib.sha256(told.encode("utf-8", "replace")).digest())


def choose(kind, draw, otherwise, removes=False):
    """What was there at the start stays, for other requests to meet."""
    known = KNOWN.get(kind, [])
    first = len(GIVEN["things"].get(kind, []))
    met = known[first:][-RECENT:] if removes else known[:first] + known[first:][-RECENT:]
    return draw.choice(met) if met and draw.random() < AIMED else otherwise


def aim_path(case, draw):
    path = case.operation.path
    params = case.path_parameters
    removes = case.operation.method.upper() == "DELETE"
    if not params:
        return
    if path.startswith("/fn/"):
        params["namespace"] = "default"
        params["name"] = choose("functions", draw, params.get("name"))
        return
    for kind, name in re.findall(r"([\w-]+)/\{(\w+)\}", path):
        if name in params:
            known = "tokens" if path.startswith("/hooks/") else kind
            params[name] = choose(known, draw, params[name], removes)


def aim_references(value, draw):
    if isinstance(value, dict):
        return {
            key: choose(REFERENCES[key], draw, each)
            if key in REFERENCES and isinstance(each, str)
            else aim_references(each, draw)
            for key, each in value.items()
        }
    return [aim_references(each, draw) for each in value] if isinstance(value, list) else value


def stay_home(value):
    """Tasks and callbacks reach this machine alone, whatever URL was made up for them."""
    if isinstance(value, dict):
        return {key: stay_home(each) for key, each in value.items()}
    if isinstance(value, list):
        return [stay_home(each) for each in value]
    if not isinstance(value, str) or not re.match(r"https?:", value, re.IGNORECASE):
        return value
    try:
        return urlunsplit(urlsplit(value)._replace(scheme=SINK.scheme, netloc=SINK.netloc))
    except ValueError:
        return value


def do_not_wait(case):
    query = case.query if isinstance(case.query, dict) else {}
    # A stream has no end; api/logs/follow.test.ts and api/events/follow.test.ts read theirs.
    query.pop("follow", None)
    # Its caller would wait for a queue that another request has paused.
    if "queue" in query:
        case.headers["prefer"] = "respond-async"
    # Whose pause would stop every call.
    if case.operation.path.startswith("/v1/queues/") and case.path_parameters.get("name") == "default":
        case.path_parameters["name"] = "mail"
    # Any other namespace has none of the things that are known here.
    if "bellhop-namespace" in case.headers:
        case.headers["bellhop-namespace"] = "default"


def learn(kind, thing, path):
    if kind in NAMED and path.count("/") <= 3:
        remember(kind, thing.get("name"))
    elif isinstance(thing.get("state"), str) and "attempts" in thing:
        remember("dead-letters" if thing["state"] == "dead" else "runs", thing.get("id"))
    elif kind is not None:
        remember(path.split("/")[-1] if "/hooks" in path or "/revisions" in path else kind, thing.get("id"))
    remember("runs", thing.get("runId"))
    remember("tokens", thing.get("token"))


def remember(kind, name):
    known = KNOWN.setdefault(kind, [])
    if isinstance(name, str) and name != "default" and name not in known and len(known) < MOST_KNOWN:
        known.append(name)
