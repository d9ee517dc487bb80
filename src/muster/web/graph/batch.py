"""/$batch: up to twenty requests in one, in the order that dependsOn asks for.

Source: Microsoft Graph, JSON batching: ids are the caller's; what depends on a request that failed answers 424.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from muster.administration.refusals import bad_request
from muster.web.graph.call import Answer, Call, Document, InnerAnswer, InnerRequest, object_list, required_text

REQUESTS_LIMIT = 20
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_FAILED_FROM = 400
_NAME_CHARACTERS = 200


def run_batch(call: Call) -> Answer:
    """POST /$batch."""
    requests = object_list(call.fields(), "requests")
    if not 1 <= len(requests) <= REQUESTS_LIMIT:
        raise bad_request(f"A batch takes 1 to {REQUESTS_LIMIT} requests in the list “requests”.")
    asked = {required_text(each, "id"): each for each in requests}
    if len(asked) < len(requests):
        raise bad_request("Two requests of the batch have the same id: each needs one of its own.")
    formed = {name: _formed(each) for name, each in asked.items()}
    answers: dict[str, Document] = {}
    for name in _in_order({name: _depends_on(each, asked) for name, each in asked.items()}):
        failed = [other for other in _depends_on(asked[name], asked) if answers[other]["status"] >= _FAILED_FROM]
        answers[name] = _failed_dependency(name, failed[0]) if failed else _shown(name, call.dispatch(formed[name]))
    return Answer(document={"responses": [answers[name] for name in asked]})


def _formed(given: Document) -> InnerRequest:
    """A request of the batch. Raises: Refused naming its id."""
    name, method, url = (required_text(given, each) for each in ("id", "method", "url"))
    if method.upper() not in METHODS:
        raise bad_request(
            f"Request “{name[:60]}”: there is no method “{method[:20]}”; use one of {', '.join(METHODS)}."
        )
    path, _, query = url.partition("?")
    if not path.startswith("/") or path.startswith("//") or path.rstrip("/").lower().endswith("/$batch"):
        raise bad_request(
            f"Request “{name[:60]}”: url is relative to the version, such as /users; batches hold no batch."
        )
    headers = given.get("headers") or {}
    if not isinstance(headers, Mapping) or not all(
        isinstance(text, str) and text.isprintable() and len(text) <= _NAME_CHARACTERS * 10
        for pair in headers.items()
        for text in pair
    ):
        raise bad_request(f"Request “{name[:60]}”: headers takes an object of texts.")
    kept = {key.lower(): value for key, value in headers.items()}
    body = given.get("body")
    if body is None:
        content = b""
    elif isinstance(body, str) and not kept.get("content-type", "").startswith("application/json"):
        # Graph: a body that is no JSON is sent in base64.
        try:
            content = base64.b64decode(body, validate=True)
        except ValueError:
            raise bad_request(f"Request “{name[:60]}”: a body that is no JSON is given in base64.") from None
    else:
        kept.setdefault("content-type", "application/json")
        content = json.dumps(body).encode()
    return InnerRequest(method=method.upper(), path=path, query=query, headers=kept, body=content)


def _depends_on(given: Document, asked: Mapping[str, Any]) -> list[str]:
    names = given.get("dependsOn") or []
    if not isinstance(names, list) or any(not isinstance(name, str) or name not in asked for name in names):
        raise bad_request("dependsOn takes a list of ids of requests of this batch.")
    return names


def _in_order(waits: Mapping[str, list[str]]) -> list[str]:
    """The ids, each after those it depends on. Raises: Refused if they depend on each other in a circle."""
    ordered: list[str] = []
    left = dict(waits)
    while left:
        ready = [name for name, others in left.items() if all(other in ordered for other in others)]
        if not ready:
            raise bad_request("The requests of the batch depend on each other in a circle.")
        ordered += ready
        for name in ready:
            del left[name]
    return ordered


def _shown(name: str, answer: InnerAnswer) -> Document:
    kind = answer.headers.get("content-type", "")
    document: Document = {"id": name, "status": answer.status, "headers": dict(answer.headers)}
    if answer.body:
        is_json = kind.startswith("application/json")
        document["body"] = json.loads(answer.body) if is_json else base64.b64encode(answer.body).decode()
    return document


def _failed_dependency(name: str, other: str) -> Document:
    error = {"code": "FailedDependency", "message": f"Request “{other[:60]}”, which this one depends on, has failed."}
    return {
        "id": name,
        "status": 424,
        "headers": {"content-type": "application/json"},
        "body": {"error": error},
    }
