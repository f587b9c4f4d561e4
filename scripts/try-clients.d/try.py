"""Uses the Python client that openapi-python-client makes."""

import sys
import time
from io import BytesIO
from pathlib import Path

from etiqueta_client import AuthenticatedClient, Client
from etiqueta_client.api.images import (
    delete_image, edit_image_tags, get_image, get_image_file, get_image_tags, get_image_thumbnail, list_images, post_image,
)
from etiqueta_client.api.jobs import create_job, get_job
from etiqueta_client.api.keys import create_key
from etiqueta_client.api.tags import list_tags, post_tag
from etiqueta_client.models import FileUpload, ImageWithData, JobFilter, NewJob, NewKey, Problem, Scope, TagEdit, Tagged
from etiqueta_client.types import File

ORIGIN, KEY, PHOTO = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def file():
    return File(payload=BytesIO(PHOTO.read_bytes()), file_name=PHOTO.name, mime_type="image/jpeg")


def uploads(client):
    """The same photo in both forms of a file; the first image is answered."""
    image = post_image.sync(client=client, body=FileUpload(file=file()), min_confidence=30)
    assert isinstance(image, ImageWithData) and image.tags, image
    raw = post_image.sync_detailed(client=client, body=file(), prefer="return=minimal")
    assert raw.status_code == 200 and raw.headers["preference-applied"] == "return=minimal", raw
    return image


def reads(client, image):
    assert get_image.sync(image.id, client=client).id == image.id
    assert get_image_file.sync_detailed(image.id, client=client).content == PHOTO.read_bytes()
    assert get_image_thumbnail.sync_detailed(image.id, client=client, size=128).content.startswith(b"\xff\xd8")
    assert {one.id for one in list_images.sync(client=client, tags=image.tags[0].tag)} >= {image.id}
    assert image.tags[0].tag in {one.tag for one in list_tags.sync(client=client)}
    assert isinstance(post_tag.sync(client=client, body=FileUpload(file=file())), Tagged)


def edits(client, image):
    edited = edit_image_tags.sync_detailed(image.id, client=client, body=TagEdit(add=["tabby"], remove=[image.tags[0].tag]))
    assert edited.status_code == 200 and image.tags[0].tag in edited.parsed.rejected, edited
    stale = edit_image_tags.sync(image.id, client=client, body=TagEdit(add=["x"]), if_match='"old"')
    assert isinstance(stale, Problem) and stale.code == "precondition-failed", stale
    assert "tabby" in {one.tag for one in get_image_tags.sync(image.id, client=client).tags}


def jobs(client):
    job = create_job.sync(client=client, body=NewJob(kind="edit", filter_=JobFilter(tags="tabby"), add=["pet"], expected=1))
    while (job := get_job.sync(job.id, client=client)).state in ("queued", "running"):
        time.sleep(0.1)
    assert (job.state, job.done, job.failed) == ("done", 1, 0), job


def refusals(client, image):
    nobody = Client(base_url=ORIGIN)
    refused = delete_image.sync(image.id, client=nobody)
    assert isinstance(refused, Problem) and refused.code == "unauthenticated", refused
    key = create_key.sync(client=client, body=NewKey(name="reader", scopes=[Scope.READ]))
    refused = delete_image.sync(image.id, client=AuthenticatedClient(base_url=ORIGIN, token=key.key))
    assert isinstance(refused, Problem) and refused.scope == "write", refused
    wrong = list_images.sync(client=client, q="cat AND (")
    assert isinstance(wrong, Problem) and wrong.code == "invalid-query" and wrong.position is not None, wrong


def main():
    client = AuthenticatedClient(base_url=ORIGIN, token=KEY)
    image = uploads(client)
    reads(client, image)
    edits(client, image)
    jobs(client)
    refusals(client, image)
    assert delete_image.sync_detailed(image.id, client=client).status_code == 204
    assert get_image.sync(image.id, client=client).status == 404
    print("the Python client works")


main()
