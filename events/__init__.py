"""What goes over Kafka, and nothing else: topics (start at `events.topics`), records, models, encoders.

Knows nothing of rules, database or workers, so that a subscriber or a publisher can use it by itself.
"""
