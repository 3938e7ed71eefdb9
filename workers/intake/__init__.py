"""From the input topics to batches, lane by lane; and records that are about no client."""
