-- What is due, waits or failed of a webhook.
CREATE INDEX IF NOT EXISTS etiqueta_delivery_webhook ON etiqueta_delivery (webhook_id, state, due_at);
