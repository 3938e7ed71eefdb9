-- Records of inputs that died and were put back. A record that dies again has a dead letter more each time: this
-- keeps one command from putting it back for each of them.
CREATE TABLE replayed_letters (
    topic        text NOT NULL,
    partition    int NOT NULL,                       -- where the record first came, on the input
    kafka_offset bigint NOT NULL,
    timestamp_ms bigint NOT NULL,                    -- tells it from one of a topic that was made anew
    times        int NOT NULL CHECK (times > 0),
    command      text NOT NULL,                      -- the cause of the command that did it last
    PRIMARY KEY (topic, partition, kafka_offset, timestamp_ms)
);
