"""Telling people and systems what happened to a job: by mail and by webhook, from an outbox that survives a crash."""
