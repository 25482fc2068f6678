import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { messageCursor } from '../src/lib/cursors.ts'
import { encodeId } from '../src/lib/ids.ts'
import { createGroup } from './features/groups.ts'
import { type Scene, startScene, usersOf } from './features/support.ts'
import { MessagesDocument, SnapshotDocument, ViewerDocument } from './generated/graphql.ts'
import { startApp, type TestApp } from './support/app.ts'
import { checkInvariants } from './support/invariants.ts'
import { conversationOf, operation, perform, seedOfRun, USERS, type World } from './support/random-operations.ts'

// The operations of the property test, now all at once over two nodes. Nobody can say what each must answer; what must
// hold of the tables afterwards is found by plain SQL.

const LANES = 10
const OPERATIONS = 25

let scene: Scene
let second: TestApp
let worlds: World[]

beforeAll(async () => {
  scene = await startScene({ env: { RATE_LIMIT: '0' } })
  second = await startApp({ env: { RATE_LIMIT: '0' }, databaseUrl: scene.databaseUrl })
  await watchTables()
  const externalIds = Array.from({ length: USERS }, (_, index) => `user ${index}`)
  const first = await usersOf(scene, ...externalIds)
  const userIds = await Promise.all(first.map(async (client) => (await client.run(ViewerDocument)).viewer!.id))
  const conversations = [await createGroup(first[0]!, ...externalIds), await createGroup(first[1]!, ...externalIds)]
  const common = { externalIds, userIds, conversations, messages: [] }
  worlds = [
    { ...common, clients: [...first, scene.asService()] },
    { ...common, clients: [...externalIds.map((name) => second.as(name)), second.asService()] },
  ]
})
afterAll(async () => {
  await second.close()
  await scene.close()
})

/** Keeps every version that a row ever carried, and every step back, which later ones would hide. */
async function watchTables() {
  await scene.sql(`
    CREATE TABLE stamps (conversation_id uuid, version integer);
    CREATE TABLE steps_back (conversation_id uuid, what text);
    CREATE FUNCTION keep_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_TABLE_NAME = 'conversations' THEN INSERT INTO stamps VALUES (NEW.id, NEW.details_version);
      ELSE INSERT INTO stamps VALUES (NEW.conversation_id, NEW.version);
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER stamp_new AFTER INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION keep_stamp();
    CREATE TRIGGER stamp AFTER UPDATE ON conversations FOR EACH ROW
      WHEN (OLD.details_version <> NEW.details_version) EXECUTE FUNCTION keep_stamp();
    CREATE TRIGGER stamp_new AFTER INSERT ON participants FOR EACH ROW EXECUTE FUNCTION keep_stamp();
    CREATE TRIGGER stamp AFTER UPDATE ON participants FOR EACH ROW
      WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION keep_stamp();
    CREATE TRIGGER stamp_new AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION keep_stamp();
    CREATE TRIGGER stamp AFTER UPDATE ON messages FOR EACH ROW
      WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION keep_stamp();
    CREATE FUNCTION keep_step_back() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO steps_back VALUES (CASE TG_TABLE_NAME WHEN 'conversations' THEN to_jsonb(NEW)->>'id'
                                          ELSE to_jsonb(NEW)->>'conversation_id' END::uuid, TG_TABLE_NAME);
      RETURN NULL;
    END $$;
    CREATE TRIGGER step_back AFTER UPDATE ON participants FOR EACH ROW
      WHEN (NEW.last_read_seq < OLD.last_read_seq OR NEW.visible_from_seq <> OLD.visible_from_seq)
      EXECUTE FUNCTION keep_step_back();
    CREATE TRIGGER step_back AFTER UPDATE ON conversations FOR EACH ROW
      WHEN (NEW.version < OLD.version OR NEW.last_seq < OLD.last_seq)
      EXECUTE FUNCTION keep_step_back();
    CREATE TRIGGER step_back AFTER UPDATE ON messages FOR EACH ROW
      WHEN (NEW.version <= OLD.version OR OLD.deleted_at IS NOT NULL)
      EXECUTE FUNCTION keep_step_back();`)
}

test('whatever many do at once, what must hold holds', { timeout: 240_000 }, async () => {
  const seed = seedOfRun()
  const drawn = fc.sample(operation, { seed, numRuns: LANES * OPERATIONS })
  const { conversations, messages } = worlds[0]!
  const codes: Record<string, number> = {}
  const lane = async (number: number) => {
    for (let turn = 0; turn < OPERATIONS; turn++) {
      const each = drawn[number * OPERATIONS + turn]!
      const conversationId = conversationOf(worlds[0]!, each)
      // By both nodes at once, as a client does that is impatient: nothing may be done twice for it.
      for (const { code, id, sent } of await Promise.all(worlds.map((world) => perform(world, each)))) {
        if (id && !conversations.includes(id)) conversations.push(id)
        if (sent) messages.push(sent)
        // Or too much of what follows would be about what is gone.
        const at = conversations.indexOf(conversationId)
        if (each.do === 'delete' && code === 'OK' && at >= 0) conversations.splice(at, 1)
        codes[code] = (codes[code] ?? 0) + 1
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))

  const told = `seed ${seed}`
  // Refusals are part of it; failures, such as a deadlock, are not.
  const known = ['OK', 'BAD_USER_INPUT', 'CONFLICT', 'FORBIDDEN', 'NOT_FOUND']
  expect(
    Object.keys(codes).filter((code) => !known.includes(code)),
    told,
  ).toEqual([])
  // How many are refused depends on who comes first; a run in which hardly anything was done would show nothing.
  expect(codes.OK, told).toBeGreaterThan((LANES * OPERATIONS) / 12)

  expect(await checkInvariants(scene.sql), told).toEqual([])
  expect(await scene.sql('SELECT * FROM steps_back'), told).toEqual([])
  expect(
    await scene.sql(
      `SELECT c.id, c.version, array_agg(s.version ORDER BY s.version) AS stamps
         FROM conversations c LEFT JOIN stamps s ON s.conversation_id = c.id
        GROUP BY c.id
       HAVING array_agg(s.version ORDER BY s.version) IS DISTINCT FROM ARRAY(SELECT generate_series(1, c.version))`,
    ),
    told,
  ).toEqual([])
  for (const world of worlds) for (let user = 0; user < USERS; user++) await expectOwnView(world, user, told)
})

/** That a user sees of each conversation what plain SQL says: from its place on, and no more. */
async function expectOwnView(world: World, user: number, told: string) {
  const client = world.clients[user]!
  const places = await scene.sql(
    `SELECT c.id, c.last_seq, p.visible_from_seq AS visible_from, e.epoch,
            p.left_at IS NULL AND c.deleted_at IS NULL AND p.user_id IS NOT NULL AS sees,
            (SELECT count(*)::int FROM messages m WHERE m.conversation_id = c.id
                AND m.seq > p.last_read_seq AND m.seq >= p.visible_from_seq) AS unread,
            (SELECT json_agg(m.body ORDER BY m.seq) FROM messages m WHERE m.conversation_id = c.id) AS bodies
       FROM database_epoch e, conversations c
       LEFT JOIN participants p ON p.conversation_id = c.id
             AND p.user_id = (SELECT id FROM users WHERE external_id = $1)`,
    [world.externalIds[user]],
  )
  const counts: Record<string, unknown> = {}
  for (const place of places) {
    const [id, lastSeq] = [String(place.id), Number(place.last_seq)]
    const first = place.sees ? Number(place.visible_from) : lastSeq + 1
    const globalId = encodeId('Conversation', id)
    const all = Array.from({ length: Math.min(lastSeq, 100) }, (_, index) => index + 1)
    const visible = all.filter((seq) => seq >= first)
    if (place.sees) counts[globalId] = place.unread

    const { byId, messages } = await client.run(SnapshotDocument, {
      conversationIds: [globalId],
      messageIds: all.map((seq) => encodeId('Message', id, seq)),
    })
    expect(byId, told).toEqual([place.sees ? { id: globalId } : null])
    const bodies = place.bodies as (string | null)[]
    expect(
      messages!.flatMap((node, index) => (node?.__typename === 'Message' ? [[all[index]!, node.body]] : [])),
      told,
    ).toEqual(visible.map((seq) => [seq, bodies[seq - 1]]))

    const cursor = (seq: number) => messageCursor(String(place.epoch), id, seq)
    const page = async (args: object) => {
      const { conversation } = await client.run(MessagesDocument, { id: globalId, ...args })
      return conversation?.messages.edges.map(({ node }) => node.seq) ?? []
    }
    expect(await page({ first: 100 }), told).toEqual(visible.slice(0, 100))
    expect(await page({ first: 100, after: cursor(0) }), told).toEqual(visible.slice(0, 100))
    expect(await page({ last: 100, before: cursor(first) }), told).toEqual([])
  }
  const { conversations } = await client.run(SnapshotDocument, { conversationIds: [], messageIds: [] })
  const listed = conversations!.edges.map(({ node }) => [node.id, node.viewerState!.unreadCount])
  expect(Object.fromEntries(listed), told).toEqual(counts)
}
