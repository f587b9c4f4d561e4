"""Compares what servers answer with what the rows of each node say."""

import base64
import hashlib
import json

from galera import DATABASE, ClusterError

# How often nodes are looked at until they are alike.
ATTEMPTS = 5

USAGES = """
SELECT HEX(label.name), COUNT(*), MIN(tag.confidence), MAX(tag.confidence), SUM(tag.confidence)
FROM etiqueta_image_tag AS tag JOIN etiqueta_label AS label ON label.id = tag.label_id GROUP BY label.id
"""
# The order of rows does not matter to a sum.
CONTENT = {
    "etiqueta_image": "id, original_id, registered_at, tags_version",
    "etiqueta_image_tag": "image_id, label_id, registered_at, confidence",
    "etiqueta_label": "id, name",
    "etiqueta_original": "id, digest, revision, IFNULL(claimed_until, 0), IFNULL(removing_until, 0)",
}


def usages(node):
    """By label: images, lowest, highest and sum of the confidences, of everything that was committed before."""
    rows = node.query(f"SET SESSION wsrep_sync_wait = 1; {USAGES}", DATABASE)
    return {
        bytes.fromhex(name).decode(): (int(images), float(lowest), float(highest), float(total))
        for name, images, lowest, highest, total in rows
    }


def answered(server):
    """By label, as `GET /tags` says it; `None` if the server is not available."""
    status, body = server.get("/tags")
    if status == 503:
        return None
    if status != 200:
        raise ClusterError(f"{server.name}: GET /tags answers {status}: {body[:300]}")
    return {
        tag["tag"]: (tag["n_images"], tag["min_confidence"], tag["max_confidence"],
                     tag["mean_confidence"] * tag["n_images"])
        for tag in json.loads(body)
    }


def is_alike(one, other):
    return one is not None and other is not None and one[:3] == other[:3] and \
        abs(one[3] - other[3]) <= 1e-6 * max(1.0, abs(one[3]))


def differences(rows, answer):
    return [f"{label}: rows say {rows.get(label)}, the server {answer.get(label)}"
            for label in sorted(rows.keys() | answer.keys()) if not is_alike(rows.get(label), answer.get(label))]


class Verdict:
    """How many answers were compared, and which were wrong."""

    def __init__(self):
        self.compared, self.wrong = 0, []

    def add(self, what, wrong):
        self.compared += 1
        if wrong:
            self.wrong.append(f"{what}: {len(wrong)} labels are wrong, such as {wrong[0]}")


def at_rest(servers, verdict):
    """While nothing is written: every answer is what the rows say."""
    servers[0].node.cluster.align([server.node for server in servers])
    for server in servers:
        rows, answer = usages(server.node), answered(server)
        if answer is not None:
            verdict.add(f"{server.name} at rest", differences(rows, answer))


def while_posting(servers, verdict):
    """While images are added and nothing else: an answer lies between the rows before and after it."""
    for server in servers:
        before, answer = usages(server.node), answered(server)
        after = usages(server.node)
        if answer is None:
            continue
        wrong = []
        for label in sorted(after.keys() | answer.keys()):
            least, most = before.get(label, (0,))[0], after.get(label, (0,))[0]
            said = answer.get(label, (0,))[0]
            if not least <= said <= most:
                wrong.append(f"{label}: {least} to {most} images, the server says {said}")
        verdict.add(f"{server.name} while posting", wrong)


def content(node):
    """A checksum of each table."""
    sums = {}
    for table, columns in CONTENT.items():
        rows = node.query(f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('/', {columns}))) FROM {table}", DATABASE)
        sums[table] = tuple(rows[0])
    return sums


def same_everywhere(nodes):
    """The tables whose content differs between nodes. Upkeep may be at work: they are looked at again then."""
    different = []
    for _ in range(ATTEMPTS):
        nodes[0].cluster.align(nodes)
        first, *others = [content(node) for node in nodes]
        different = [f"{table}: {first[table]} and {other[table]}" for other in others for table in CONTENT
                     if first[table] != other[table]]
        if not different:
            break
    return different


def lost_images(images, server, folder, every=1):
    """Images that were answered and are not there, or not as they were answered; and deleted ones that are."""
    present = {row[0]: row[1] for row in server.node.query(
        "SELECT HEX(image.id), HEX(original.digest) FROM etiqueta_image AS image "
        "JOIN etiqueta_original AS original ON original.id = image.original_id", DATABASE)}
    lost = []
    for image in images:
        digest = present.get(image.id.replace("-", "").upper())
        if image.is_there is None:
            continue
        if (digest is not None) != image.is_there:
            lost.append(f"image {image.id} is {'missing' if image.is_there else 'back'}")
        elif digest is not None and digest.lower() != hashlib.sha256(image.data).hexdigest():
            lost.append(f"image {image.id} has another original")
    digests = {digest.lower() for digest in present.values()}
    lost += [f"original {digest} is missing" for digest in digests
             if not (folder / digest[:2] / digest[2:4] / digest).exists()]
    for image in [image for image in images if image.is_there][::every]:
        status, body = server.get(f"/image/{image.id}")
        if status != 200 or base64.b64decode(json.loads(body)["data"]) != image.data:
            lost.append(f"image {image.id}: {server.name} answers {status}")
        elif not image.is_edited and {tag["tag"]: tag["confidence"] for tag in json.loads(body)["tags"]} != image.tags:
            lost.append(f"image {image.id} has other tags than were answered")
    return lost
