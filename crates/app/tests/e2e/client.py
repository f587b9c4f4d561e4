"""A client as people write it: python client.py BASE_URL IMAGE_FILE. Prints ok.

It makes the calls that the API's users make from notebooks, the way they make them: query strings put
together by hand, dates by strftime, anything but 200 an error.
"""

import base64
import datetime
import re
import sys
import uuid

import requests

DATE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
MIN_DATE = "2024-01-11 08:00:00"
WANTED = ["car", "motor vehicle"]


def checked(response):
    assert response.status_code == 200, (response.status_code, response.text[:500])
    assert response.headers["Content-Type"].split(";")[0] == "application/json", response.headers
    assert response.headers["X-Request-Id"], response.headers
    return response.json()


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_image(image, fields):
    assert set(image) == fields, image.keys()
    assert str(uuid.UUID(image["id"])) == image["id"], image["id"]
    assert is_number(image["size"]), image["size"]
    assert DATE.fullmatch(image["date"]), image["date"]
    for tag in image["tags"]:
        assert set(tag) == {"tag", "confidence"}, tag
        assert isinstance(tag["tag"], str) and tag["tag"] == tag["tag"].strip().lower() != "", tag
        assert is_number(tag["confidence"]) and 0 <= tag["confidence"] <= 100, tag
    ranks = [(-tag["confidence"], tag["tag"]) for tag in image["tags"]]
    assert ranks == sorted(ranks), image["tags"]


def check_summary(summary):
    assert set(summary) == {
        "tag", "n_images", "min_confidence", "max_confidence", "mean_confidence",
    }, summary.keys()
    assert isinstance(summary["tag"], str)
    assert isinstance(summary["n_images"], int) and summary["n_images"] >= 1, summary
    low, mean, high = (summary[f"{which}_confidence"] for which in ("min", "mean", "max"))
    assert all(map(is_number, (low, mean, high))), summary
    assert 0 <= low <= high <= 100 and low - 1e-9 <= mean <= high + 1e-9, summary


def upload(base, file):
    with open(file, "rb") as f:
        content = f.read()
    b64str_image = base64.b64encode(content).decode()
    response = requests.post(f"{base}/image?min_confidence=60", json={"data": b64str_image})
    image = checked(response)
    check_image(image, {"id", "size", "date", "tags", "data"})
    assert response.headers["Location"] == f"/image/{image['id']}", response.headers
    assert image["data"] == b64str_image
    assert abs(image["size"] - len(content) / 1024) <= 0.005 + 1e-9, (image["size"], len(content))
    assert image["tags"], "no tag reached the threshold"
    assert all(tag["confidence"] >= 60 for tag in image["tags"]), image["tags"]
    return image


def check_one(base, image):
    assert checked(requests.get(f"{base}/image/{image['id']}")) == image


def tomorrow():
    # Ours and the server's clocks and time zones may differ.
    return (datetime.datetime.now() + datetime.timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")


def check_list(base, image):
    max_date, min_date = tomorrow(), MIN_DATE
    entry = {field: image[field] for field in ("id", "size", "date", "tags")}
    tags1 = [tag["tag"] for tag in image["tags"]][:2]
    found = checked(requests.get(
        f"{base}/images?min_date={min_date}&max_date={max_date}&tags={','.join(tags1)}"
    ))
    assert entry in found, found
    for other in found:
        check_image(other, {"id", "size", "date", "tags"})
        assert set(tags1) <= {tag["tag"] for tag in other["tags"]}, other
    dates = [other["date"] for other in found]
    assert dates == sorted(dates, reverse=True), dates

    both = checked(requests.get(
        f'{base}/images?min_date={min_date}&max_date={max_date}&tags={",".join(WANTED)}'
    ))
    carried = {tag["tag"] for tag in image["tags"]}
    assert (entry in both) == (set(WANTED) <= carried), both

    assert entry in checked(requests.get(f"{base}/images"))
    exact = f"min_date={image['date']}&max_date={image['date']}"
    assert entry in checked(requests.get(f"{base}/images?{exact}")), exact
    assert checked(requests.get(f"{base}/images?max_date={min_date}")) == []
    assert checked(requests.get(f"{base}/images?tags=no such tag")) == []


def check_tags(base, image):
    summaries = checked(requests.get(f"{base}/tags?min_date={MIN_DATE}&max_date={tomorrow()}"))
    for summary in summaries:
        check_summary(summary)
    ranks = [(-summary["n_images"], summary["tag"]) for summary in summaries]
    assert ranks == sorted(ranks), ranks
    by_name = {summary["tag"]: summary for summary in summaries}
    assert len(by_name) == len(summaries), "a tag is there twice"
    for tag in image["tags"]:
        summary = by_name[tag["tag"]]
        assert summary["min_confidence"] <= tag["confidence"] <= summary["max_confidence"], summary
    assert checked(requests.get(f"{base}/tags?max_date={MIN_DATE}")) == []


def check_errors(base):
    unknown = requests.get(f"{base}/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")
    assert unknown.status_code == 404, unknown.status_code
    assert unknown.headers["Content-Type"].startswith("application/problem+json"), unknown.headers
    assert unknown.json()["code"] == "image-not-found", unknown.json()
    assert unknown.json()["description"], unknown.json()
    wrong = requests.get(f"{base}/images?min_date=yesterday")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid-parameter"), wrong.text


def main(base, file):
    image = upload(base, file)
    check_one(base, image)
    check_list(base, image)
    check_tags(base, image)
    check_errors(base)
    print("ok")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2])
