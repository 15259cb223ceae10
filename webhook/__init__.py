"""The namespace isolation baseline: webhook, controller and command line; the decisions live in webhook.policy."""
