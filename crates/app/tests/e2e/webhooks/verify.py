"""Verifies messages with the library `standardwebhooks`: a list of {"secret", "headers", "body"} on standard input."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def main():
    messages = json.load(sys.stdin)
    for message in messages:
        webhook = Webhook(message["secret"])
        event = webhook.verify(message["body"], message["headers"])
        assert set(event) == {"type", "timestamp", "data"}, event
        for forged in (
            (message["body"] + " ", message["headers"]),
            (message["body"], {**message["headers"], "webhook-id": "msg_other"}),
        ):
            try:
                webhook.verify(*forged)
            except WebhookVerificationError:
                continue
            sys.exit(f"a forged message was accepted: {forged}")
    print(len(messages))


main()
