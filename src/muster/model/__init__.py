"""The trade's nouns as frozen values: directory, application, rules, operation, job, log, failures."""
