"""Uploads a file in parts, for what is too large for one request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from clipping.store.s3_failures import S3_ERRORS

PART_BYTES = 64 << 20
_MOST_PARTS = 10_000
_LEAST = 5 << 20


def upload_parts(client: Any, request: Mapping[str, Any], file: IO[bytes], size: int, part_bytes: int) -> Any:
    """Upload and complete if there is no object yet. Returns the response, with an ETag.

    Not every store checks the condition atomically: the caller compares what is there afterwards. Parts of an
    upload that failed are removed, if not at once then by the bucket's lifecycle rule.
    """
    part_bytes = max(part_bytes, -(-size // _MOST_PARTS), _LEAST)
    name = {"Bucket": request["Bucket"], "Key": request["Key"]}
    upload = {**name, "UploadId": client.create_multipart_upload(**request)["UploadId"]}
    try:
        parts = []
        file.seek(0)
        for number in range(1, -(-size // part_bytes) + 1):
            body = file.read(part_bytes)
            sent = client.upload_part(**upload, PartNumber=number, Body=body)
            parts.append({"ETag": sent["ETag"], "PartNumber": number})
        return client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        with suppress(*S3_ERRORS):
            client.abort_multipart_upload(**upload)
        raise
