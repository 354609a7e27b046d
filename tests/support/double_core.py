"""The HTTP side of a double of an S3 service: path-style requests, Signature Version 4, XML answers.

Speaks what the suite and the SDKs it uses ask for, over `http.server`, on an ephemeral port of 127.0.0.1. What is held
and which rules are kept is `double_store`'s.

Signature: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, quote, unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from support.double_store import Bucket, Dialect, Memory, Object, Refusal, Upload
from support.endpoints import S3Server

__all__ = ["Double"]

_KEPT = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_PAGE = 1000
_SUBRESOURCES = frozenset(
    {
        "acl", "attributes", "cors", "delete", "encryption", "legal-hold", "lifecycle", "list-type", "location",
        "notification", "object-lock", "partNumber", "policy", "publicAccessBlock", "replication", "restore",
        "retention", "select", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
    }
)  # fmt: skip
_XML_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Double:
    """One double, running until the block ends.

    Attributes:
        server: Where it listens and who may talk to it.
        memory: What it holds.
    """

    def __init__(self, dialect: Dialect, *, kind: str) -> None:
        self.memory = Memory(dialect)
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.double = self
        self.server = S3Server(
            endpoint=f"http://127.0.0.1:{self._http.server_port}",
            access_key="DOUBLE" + secrets.token_hex(7).upper(),
            secret_key=secrets.token_urlsafe(30),
            region="us-east-1",
            kind=kind,
        )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    double: Double
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_expect_100(self) -> bool:
        """Let the body come."""
        self.send_response_only(100)
        self.end_headers()
        return True

    def _serve(self) -> None:
        self._sent = {name.lower(): value.strip() for name, value in self.headers.items()}
        path, _, text = self.path.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        try:
            body = self._body()
            self._authorise(path, text, body)
            self.server.double.memory.dialect.check_request(self.command, self._sent)
            name, _, key = unquote(path.lstrip("/"), errors="strict").partition("/")
            if not name:
                raise Refusal(501, "NotImplemented", "only buckets are served")
            if key:
                self._object(name, key, query, body)
            else:
                self._bucket(name, query)
        except Refusal as refusal:
            self._refuse(refusal)
        except UnicodeDecodeError:
            self._refuse(Refusal(400, "InvalidURI"))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

    # -- what came --------------------------------------------------------------------------------

    def _body(self) -> bytes:
        length = self._sent.get("content-length")
        if length is None:
            return self._chunks() if "transfer-encoding" in self._sent else b""
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            raise Refusal(400, "IncompleteBody")
        return body

    def _chunks(self) -> bytes:
        """A body in the chunks of HTTP itself; what stands inside them is the dialect's."""
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _authorise(self, path: str, query: str, body: bytes) -> None:
        """Compute the signature anew, and hold the payload's digest against the body."""
        known = self.server.double.server
        found = _CREDENTIAL.fullmatch(self._sent.get("authorization", ""))
        if found is None:
            raise Refusal(403, "AccessDenied", "no signature of version 4 in the headers")
        access, day, region, names, signature = found.groups()
        if access != known.access_key:
            raise Refusal(403, "InvalidAccessKeyId")
        payload = self._sent.get("x-amz-content-sha256", "")
        pairs = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
        canonical = "\n".join(
            [
                self.command,
                path,
                "&".join(f"{name}={value}" for name, value in pairs),
                *(f"{name}:{' '.join(self._sent.get(name, '').split())}" for name in names.split(";")),
                "",
                names,
                payload,
            ]
        )
        scope = f"{day}/{region}/s3/aws4_request"
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256",
                self._sent.get("x-amz-date", ""),
                scope,
                hashlib.sha256(canonical.encode()).hexdigest(),
            ]
        )
        key = f"AWS4{known.secret_key}".encode()
        for piece in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, piece.encode(), "sha256")
        if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature):
            raise Refusal(403, "SignatureDoesNotMatch")
        if re.fullmatch("[0-9a-f]{64}", payload) and payload != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch")

    # -- buckets ----------------------------------------------------------------------------------

    def _bucket(self, name: str, query: Mapping[str, str]) -> None:
        memory = self.server.double.memory
        if self.command == "PUT" and not query.keys() & _SUBRESOURCES:
            with memory.lock:
                if name in memory.buckets:
                    raise Refusal(409, "BucketAlreadyOwnedByYou")
                locked = self._sent.get("x-amz-bucket-object-lock-enabled", "").lower() == "true"
                memory.buckets[name] = Bucket(versioned=locked)
            return self._answer(200)
        bucket = memory.bucket(name)
        match self.command:
            case "HEAD":
                return self._answer(200)
            case "DELETE" if not query.keys() & _SUBRESOURCES:
                with memory.lock:
                    if bucket.keys:
                        raise Refusal(409, "BucketNotEmpty")
                    del memory.buckets[name]
                return self._answer(204)
            case "PUT" if "versioning" in query:
                bucket.versioned = True
                return self._answer(200)
            case "GET" if "versioning" in query:
                status = "<Status>Enabled</Status>" if bucket.versioned else ""
                return self._xml("VersioningConfiguration", status)
            case "GET" if "uploads" in query:
                return self._list_uploads(bucket, query)
            case "GET" if "versions" in query:
                return self._list_versions(bucket, query)
            case "GET" if query.get("list-type") == "2":
                return self._list(bucket, query)
        raise Refusal(501, "NotImplemented", f"{self.command} {sorted(query)}")

    def _list(self, bucket: Bucket, query: Mapping[str, str]) -> None:
        prefix, after = (
            query.get("prefix", ""),
            query.get("continuation-token") or query.get("start-after", ""),
        )
        most = min(int(query.get("max-keys", _PAGE)), _PAGE)
        with self.server.double.memory.lock:
            current = {key: bucket.current(key) for key in bucket.keys if key.startswith(prefix)}
        found = sorted(
            ((key, one) for key, one in current.items() if one is not None and key.encode() > after.encode()),
            key=lambda pair: pair[0].encode(),
        )
        entries = "".join(
            f"<Contents><Key>{self._name(key, query)}</Key><Size>{len(one.body)}</Size>"
            f"<ETag>{escape(one.etag)}</ETag><LastModified>{_iso(one.at)}</LastModified>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, one in found[:most]
        )
        cut = len(found) > most
        token = (
            f"<NextContinuationToken>{self._text(found[most - 1][0])}</NextContinuationToken>" if cut else ""
        )
        self._xml(
            "ListBucketResult",
            f"<KeyCount>{len(found[:most])}</KeyCount><IsTruncated>{str(cut).lower()}</IsTruncated>"
            f"{self._encoding(query)}{token}{entries}",
        )

    def _list_versions(self, bucket: Bucket, query: Mapping[str, str]) -> None:
        entries = []
        for key, held in sorted(bucket.keys.items()):
            if not key.startswith(query.get("prefix", "")):
                continue
            for one in reversed(held):
                kind = "DeleteMarker" if one.marker else "Version"
                size = "" if one.marker else f"<Size>{len(one.body)}</Size><ETag>{escape(one.etag)}</ETag>"
                latest = str(one is held[-1]).lower()
                entries.append(
                    f"<{kind}><Key>{self._name(key, query)}</Key><VersionId>{one.version}</VersionId>"
                    f"<IsLatest>{latest}</IsLatest><LastModified>{_iso(one.at)}</LastModified>{size}</{kind}>"
                )
        self._xml(
            "ListVersionsResult",
            f"<IsTruncated>false</IsTruncated>{self._encoding(query)}{''.join(entries)}",
        )

    def _list_uploads(self, bucket: Bucket, query: Mapping[str, str]) -> None:
        entries = "".join(
            f"<Upload><Key>{self._name(one.key, query)}</Key><UploadId>{name}</UploadId>"
            f"<Initiated>{_iso(one.at)}</Initiated></Upload>"
            for name, one in sorted(bucket.uploads.items(), key=lambda pair: (pair[1].key, pair[0]))
            if one.key.startswith(query.get("prefix", ""))
        )
        self._xml(
            "ListMultipartUploadsResult",
            f"<IsTruncated>false</IsTruncated>{self._encoding(query)}{entries}",
        )

    # -- objects ----------------------------------------------------------------------------------

    def _object(self, name: str, key: str, query: Mapping[str, str], body: bytes) -> None:
        memory = self.server.double.memory
        bucket = memory.bucket(name)
        match self.command:
            case "PUT" if "uploadId" in query:
                upload = memory.upload(bucket, key, query["uploadId"])
                source = self._sent.get("x-amz-copy-source")
                if source is not None:
                    body = self._copied(source)
                part = memory.part(upload, int(query["partNumber"]), self._sent, body)
                if source is None:
                    self._answer(200, {"etag": part.etag})
                else:
                    self._xml("CopyPartResult", f"<ETag>{escape(part.etag)}</ETag>")
            case "POST" if "uploads" in query:
                self._begin(name, bucket, key)
            case "POST" if "uploadId" in query:
                wanted = _wanted(body)
                made = memory.complete(bucket, key, query["uploadId"], self._sent, wanted)
                told = escape(memory.dialect.told_etag(made))
                self._xml("CompleteMultipartUploadResult", f"<ETag>{told}</ETag>", _versions(made))
            case "DELETE" if "uploadId" in query:
                memory.upload(bucket, key, query["uploadId"])
                del bucket.uploads[query["uploadId"]]
                self._answer(204)
            case "GET" if "uploadId" in query:
                self._list_parts(memory.upload(bucket, key, query["uploadId"]))
            case "GET" if "tagging" in query:
                self._tags(_there(bucket, key, None))
            case "PUT" if not query.keys() & _SUBRESOURCES and "x-amz-copy-source" not in self._sent:
                made = memory.put(bucket, key, self._sent, body)
                self._answer(
                    200, {"etag": made.etag, **_versions(made), **memory.dialect.answer_headers(made)}
                )
            case "GET" | "HEAD" if query.keys() & _SUBRESOURCES <= {"versionId"}:
                self._read(_there(bucket, key, query.get("versionId")))
            case "DELETE" if query.keys() & _SUBRESOURCES <= {"versionId"}:
                memory.delete(bucket, key, query.get("versionId"))
                self._answer(204)
            case _:
                raise Refusal(501, "NotImplemented", f"{self.command} {sorted(query)}")

    def _copied(self, source: str) -> bytes:
        """The bytes that a part is copied from: an object of a bucket here, or a range of one."""
        name, _, key = unquote(source.lstrip("/")).partition("/")
        body = _there(self.server.double.memory.bucket(name), key, None).body
        span = _RANGE.match(self._sent.get("x-amz-copy-source-range", ""))
        return body[int(span[1]) : int(span[2]) + 1] if span and span[1] and span[2] else body

    def _begin(self, name: str, bucket: Bucket, key: str) -> None:
        memory = self.server.double.memory
        upload = memory.number()
        with memory.lock:
            bucket.uploads[upload] = Upload(key=key, headers=self._sent, at=datetime.now(UTC))
        self._xml(
            "InitiateMultipartUploadResult",
            f"<Bucket>{name}</Bucket><Key>{self._text(key)}</Key><UploadId>{upload}</UploadId>",
        )

    def _list_parts(self, upload: Upload) -> None:
        entries = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(part.body)}</Size>"
            f"<ETag>{escape(part.etag)}</ETag></Part>"
            for number, part in sorted(upload.parts.items())
        )
        self._xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{entries}")

    def _tags(self, found: Object) -> None:
        pairs = parse_qsl(found.headers.get("x-amz-tagging", ""), keep_blank_values=True)
        tags = "".join(
            f"<Tag><Key>{self._text(k)}</Key><Value>{self._text(v)}</Value></Tag>" for k, v in pairs
        )
        self._xml("Tagging", f"<TagSet>{tags}</TagSet>")

    def _read(self, found: Object) -> None:
        wanted = self._sent.get("if-match")
        if wanted is not None and wanted.strip('"') != found.etag.strip('"'):
            raise Refusal(412, "PreconditionFailed")
        headers = {
            "etag": found.etag,
            "last-modified": format_datetime(found.at, usegmt=True),
            "content-type": "binary/octet-stream",
            **{name: value for name, value in found.headers.items() if name in _KEPT},
            **{name: value for name, value in found.headers.items() if name.startswith("x-amz-meta-")},
            **_versions(found),
        }
        if found.locked:
            headers["x-amz-object-lock-mode"] = found.headers["x-amz-object-lock-mode"]
        span = _RANGE.match(self._sent.get("range", ""))
        if span is None or span.groups() == ("", ""):
            headers |= self.server.double.memory.dialect.answer_headers(found)
            self._answer(200, headers, found.body)
            return
        size = len(found.body)
        start = int(span[1]) if span[1] else max(0, size - int(span[2]))
        end = min(size, int(span[2]) + 1) if span[1] and span[2] else size
        if start >= size:
            raise Refusal(416, "InvalidRange")
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        self._answer(206, headers, found.body[start:end])

    # -- what goes --------------------------------------------------------------------------------

    def _name(self, key: str, query: Mapping[str, str]) -> str:
        return quote(key, safe="/") if query.get("encoding-type") == "url" else self._text(key)

    def _encoding(self, query: Mapping[str, str]) -> str:
        return "<EncodingType>url</EncodingType>" if query.get("encoding-type") == "url" else ""

    @staticmethod
    def _text(text: str) -> str:
        return escape(_XML_FORBIDDEN.sub("?", text), {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})

    def _xml(self, root: str, inner: str, headers: Mapping[str, str] | None = None) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{_NAMESPACE}">{inner}</{root}>'
        self._answer(200, {"content-type": "application/xml", **(headers or {})}, text.encode())

    def _refuse(self, refusal: Refusal) -> None:
        text = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        self._answer(refusal.status, {"content-type": "application/xml"}, text.encode())

    def _answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _there(bucket: Bucket, key: str, version: str | None) -> Object:
    held = bucket.keys.get(key, [])
    found = bucket.current(key) if version is None else next((o for o in held if o.version == version), None)
    if found is None or found.marker:
        raise Refusal(404, "NoSuchKey" if version is None else "NoSuchVersion")
    return found


def _versions(found: Object) -> dict[str, str]:
    return {} if found.version == "null" else {"x-amz-version-id": found.version}


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _wanted(body: bytes) -> list[tuple[int, str]]:
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        raise Refusal(400, "MalformedXML") from None
    found = []
    for part in root:
        values = {child.tag.rpartition("}")[2]: child.text or "" for child in part}
        found.append((int(values.get("PartNumber", "0")), values.get("ETag", "")))
    return found
