// A subscriber who joins late: learns from Kafka alone who is in which group, then follows the changes.
//
//     npm ci
//     KAFKA_BOOTSTRAP_SERVERS=localhost:9092 npm --silent start
//
// Each change that it applies is one line of JSON; SIGTERM or Ctrl-C ends it with the whole state as the last line.
// docs/subscribers.md says why it does what it does; subscriber.py is the same in Python.

import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { lz4Decompress } from '@platformatic/wasm-utils'
import kafkajs from 'kafkajs'

const SNAPSHOT = 'client-memberships' // compacted: the newest record of each client, with all its groups
const CHANGES = 'membership-changed' // every join and leave, numbered 1, 2, 3 ... for each client
const OVERLAP_MS = 30_000 // longer than a transaction stays open: what the snapshot lacks is after this point

// KafkaJS comes without LZ4, in which the worker compresses. Not every package will do: its frames have block
// checksums, which lz4js gets wrong.
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async () => { throw new Error('this subscriber only reads') },
  decompress: async (bytes) => lz4Decompress(bytes),
})
const brokers = process.env.KAFKA_BOOTSTRAP_SERVERS.split(',')
const kafka = new Kafka({ brokers, clientId: 'subscriber', logLevel: logLevel.NOTHING })

const options = { 'until-idle': { type: 'string', default: 'Infinity' } } // seconds without a record
const untilIdle = 1000 * Number(parseArgs({ options }).values['until-idle'])
const clients = new Map() // client -> { version, groups }: the state
let last = Date.now() // when a record came

function load(record) {
  const clientId = record.key.toString()
  if (record.value === null) { // a tombstone: the client was deleted
    clients.delete(clientId)
  } else {
    const { version, groups } = JSON.parse(record.value)
    clients.set(clientId, { version, groups: new Set(Object.keys(groups)) })
  }
}

function apply(record) {
  const { client_id, version, change, group } = JSON.parse(record.value)
  // One that we don't hold is new, or was deleted: then its versions go on where they were.
  if (!clients.has(client_id)) clients.set(client_id, { version: version - 1, groups: new Set() })
  const client = clients.get(client_id)
  if (version <= client.version) return // known already
  if (version > client.version + 1) {
    fail(new Error(`changes of client ${client_id} are missing: ${version} came after ${client.version}`))
  }
  client.version = version
  if (change === 'joined') client.groups.add(group)
  else client.groups.delete(group)
  console.log(JSON.stringify({ client_id, version, change, group }))
}

function fail(error) {
  console.error(`Error: ${error.message}`)
  process.exit(1)
}

function finish() {
  const entries = [...clients].map(([id, { version, groups }]) => [id, { version, groups: [...groups].sort() }])
  // A pipe takes 64 KiB at a time: exit only when all of it is written.
  process.stdout.write(`${JSON.stringify({ clients: Object.fromEntries(entries) })}\n`, () => process.exit())
}

// Reads all partitions of a topic from `places` on, until `isDone(places)`. KafkaJS reads in consumer groups only:
// one of its own and no commits make it a reader who gets everything. Aborted transactions it leaves out itself.
async function read(topic, places, each, isDone) {
  const consumer = kafka.consumer({ groupId: `subscriber-${randomUUID()}`, maxWaitTimeInMs: 500 })
  const { GROUP_JOIN, END_BATCH_PROCESS, CRASH } = consumer.events
  // After every join, not only the first: a group that was lost and found again begins where we are.
  consumer.on(GROUP_JOIN, () => places.forEach((offset, partition) => consumer.seek({ topic, partition, offset })))
  consumer.on(CRASH, ({ payload }) => payload.restart || fail(payload.error))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const done = new Promise((resolve) => {
    // Offsets, not records, say where we are: the last one of a transaction is a marker that nobody gets to see.
    consumer.on(END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      places.set(partition, String(BigInt(lastOffset) + 1n))
      if (isDone(places)) resolve()
    })
  })
  const eachBatch = async ({ batch }) => {
    last = Date.now()
    batch.messages.forEach(each)
  }
  if (!isDone(places)) {
    await consumer.run({ autoCommit: false, eachBatch })
    await done
  }
  await consumer.disconnect()
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, finish)
const admin = kafka.admin()
await admin.connect()
// 1. Before anything is loaded: a place among the changes, a little before now (the end, where none is so new).
const since = await admin.fetchTopicOffsetsByTimestamp(CHANGES, Date.now() - OVERLAP_MS)
// 2. The snapshot, up to where it ends now.
const bounds = await admin.fetchTopicOffsets(SNAPSHOT)
await admin.disconnect()
const begins = new Map(bounds.map(({ partition, low }) => [partition, low]))
const isLoaded = (places) => bounds.every(({ partition, high }) => BigInt(places.get(partition)) >= BigInt(high))
await read(SNAPSHOT, begins, load, isLoaded)
console.error(`Loaded ${clients.size} clients, following.`)
// 3. The changes from that place on. Those that the snapshot held already are skipped by their version.
last = Date.now()
setInterval(() => Date.now() > last + untilIdle && finish(), 250)
await read(CHANGES, new Map(since.map(({ partition, offset }) => [partition, offset])), apply, () => false)
