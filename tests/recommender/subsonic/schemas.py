"""The specification's schemas: what an endpoint may answer, and what XML says in the shape that they describe."""

from __future__ import annotations

import functools
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from posixpath import join, normpath
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

ARCHIVE = Path(__file__).parent / "specification" / "opensubsonic-openapi.tar.gz"
_ROOT = "https://specification/"
_NAMESPACE = "{http://subsonic.org/restapi}"
Schema = dict[str, Any]


@functools.cache
def files() -> dict[str, Any]:
    """Return the documents by their paths."""
    with tarfile.open(ARCHIVE) as archive:
        files = {each.name: archive.extractfile(each) for each in archive.getmembers() if each.name.endswith(".json")}
        return {normpath(name): json.load(file) for name, file in files.items() if file is not None}


@functools.cache
def endpoints() -> dict[str, str]:
    """Return the paths of the endpoints' documents by name."""
    paths = files()["openapi/openapi.json"]["paths"]
    return {name.removeprefix("/rest/"): normpath(join("openapi", each["$ref"])) for name, each in paths.items()}


def answer_schema(name: str) -> str | None:
    """Return the path of the schema of an endpoint's answer; None where it is no structure."""
    path = endpoints()[name]
    responses = next(iter(files()[path].values()))["responses"]
    answer = responses.get("200", {})
    if "$ref" in answer:
        path = normpath(join(path, "..", answer["$ref"]))
        answer = files()[path]
    content = answer.get("content", {}).get("application/json")
    return normpath(join(path, "..", content["schema"]["$ref"])) if content else None


@functools.cache
def _registry() -> Registry[Any]:
    resources = ((_ROOT + path, DRAFT202012.create_resource(document)) for path, document in files().items())
    return Registry().with_resources(resources)


def problems(path: str, answer: Any) -> list[str]:
    """Return what is wrong with an answer: what breaks its schema, and fields that the schema does not have."""
    validator = Draft202012Validator({"$ref": _ROOT + path}, registry=_registry())
    broken = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(answer)]
    return broken + [f"unknown: {place}" for place in _unknown(path, files()[path], answer, "$")]


def _unknown(path: str, schema: Schema, value: Any, place: str) -> Iterator[str]:
    path, schema = _resolved(path, schema)
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _unknown(path, schema.get("items", {}), each, f"{place}[{number}]")
    elif isinstance(value, dict):
        known = dict(_properties(path, schema, value))
        # What the specification does not describe may have any.
        for name, each in value.items() if known else ():
            if name not in known:
                yield f"{place}.{name}"
            else:
                yield from _unknown(*known[name], each, f"{place}.{name}")


def _resolved(path: str, schema: Schema) -> tuple[str, Schema]:
    while "$ref" in schema:
        path = normpath(join(path, "..", schema["$ref"]))
        schema = files()[path]
    return path, schema


def _properties(path: str, schema: Schema, value: Any) -> Iterator[tuple[str, tuple[str, Schema]]]:
    """Yield the fields of an object, each with its schema and the document that it is in."""
    path, schema = _resolved(path, schema)
    parts = [*schema.get("allOf", ())]
    if "oneOf" in schema:
        # The success comes first, then the failure.
        parts.append(schema["oneOf"][0 if value.get("status") == "ok" else 1])
    for part in parts:
        yield from _properties(path, part, value)
    for name, each in schema.get("properties", {}).items():
        yield name, (path, each)


# --- XML --------------------------------------------------------------------------------------------------------------


def of_xml(path: str, text: bytes) -> Any:
    """Return what XML says in the shape of JSON, by the types that the schema names."""
    root = fromstring(text)
    assert root.tag == f"{_NAMESPACE}subsonic-response"
    [(_name, (inner, schema))] = list(_properties(path, files()[path], {}))
    return {"subsonic-response": _object(inner, schema, root)}


def _object(path: str, schema: Schema, element: Element) -> Any:
    known = dict(_properties(path, schema, element.attrib))
    if not known:
        return {} if element.attrib == {} and not (element.text or "").strip() else element.attrib | {"?": element.text}
    found: dict[str, Any] = {}
    for name, text in element.attrib.items():
        found[name] = _scalar(*known[name], text) if name in known else text
    for child in element:
        name = child.tag.removeprefix(_NAMESPACE)
        if name not in known:
            found[name] = child.text
            continue
        where, each = _resolved(*known[name])
        if each.get("type") == "array":
            found.setdefault(name, []).append(_value(where, each["items"], child))
        else:
            found[name] = _value(where, each, child)
    if "value" in known:
        found["value"] = element.text or ""
    for name, (where, each) in known.items():
        # What is empty leaves no trace in XML.
        if _resolved(where, each)[1].get("type") == "array" and name not in found and _is_required(path, schema, name):
            found[name] = []
    return found


def _is_required(path: str, schema: Schema, name: str) -> bool:
    path, schema = _resolved(path, schema)
    inner = any(_is_required(path, part, name) for part in schema.get("allOf", ()))
    inner = inner or any(_is_required(path, part, name) for part in schema.get("oneOf", ())[:1])
    return inner or name in schema.get("required", ())


def _value(path: str, schema: Schema, element: Element) -> Any:
    path, schema = _resolved(path, schema)
    if schema.get("type") in ("string", "integer", "number", "boolean"):
        return _scalar(path, schema, element.text or "")
    return _object(path, schema, element)


def _scalar(path: str, schema: Schema, text: str) -> Any:
    kind = _resolved(path, schema)[1].get("type")
    if kind == "boolean":
        return {"true": True, "false": False}[text]
    return int(text) if kind == "integer" else float(text) if kind == "number" else text
