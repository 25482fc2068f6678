-- Adds messages to conversations, many in one round trip, and finds for each its own outcome: as if they had been sent
-- one after the other in the order given. What can be done for all at once is: locks, reads, writes. Only what depends
-- on the sends before (seqs, keys, replies, how far the sender has read) is found send by send, and asks no table.
--
-- The function is VOLATILE and runs in READ COMMITTED, so each of its statements sees what was committed before it
-- began: the checks come after the locks, in statements of their own, and see what whoever held the locks has done.
-- Rows are locked in the order of their keys, as everywhere: two that lock several can't wait for each other.
--
-- outcome is SENT; or DEDUPLICATED (the key was used with this very request; seq is the message stored then);
-- or KEY_REUSED (with another request); or NOT_FOUND (no such conversation, or the sender is not in it); or CLOSED;
-- or REFUSED (the other one of a direct conversation takes no messages from the sender; like CLOSED, not with
-- in_despite_close, for what the host has to tell of its business); or NO_REPLY_TO (no such message to reply to);
-- or, without in_waits, LOCKED: another holds the conversation's row, or that of one who sends to it, and nothing was
-- done for any of the conversation's sends.
CREATE FUNCTION send_messages(
  in_conversations uuid[], in_senders uuid[], in_kinds message_kind[], in_bodies text[], in_metadata jsonb[],
  in_replies_to integer[], in_subjects uuid[], in_keys text[], in_fingerprints bytea[], in_move_read boolean[],
  in_contacts_only boolean, in_despite_close boolean, in_waits boolean
) RETURNS TABLE (outcome text, seq integer, version integer, created_at timestamptz, read_at timestamptz)
LANGUAGE plpgsql
-- Planned once for each connection, and so that rows are looked up by their keys (OFFSET 0 and ctid see to that too),
-- however few were sent, or there were, at the time.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
  places CONSTANT integer[] := ARRAY[cardinality(in_conversations)];
  locked uuid[];
  -- Those in which a sender's row is another's just now.
  busy uuid[];
  given record;
  -- The conversation whose sends are looked at, and how far they have brought it.
  current uuid;
  is_locked boolean;
  head_seq integer;
  head_version integer;
  -- By place: what is found for each send.
  outcomes text[] := array_fill(NULL::text, places);
  seqs integer[] := array_fill(NULL::integer, places);
  versions integer[] := array_fill(NULL::integer, places);
  -- How far its sender has read after it; and before it, where it passes messages of others.
  read_to integer[] := array_fill(NULL::integer, places);
  passed_from integer[] := array_fill(NULL::integer, places);
  -- The send that has its key after it.
  holders integer[] := array_fill(NULL::integer, places);
  found text;
  holder integer;
  has_read integer;
  sent_at timestamptz;
BEGIN
  -- NO KEY: a plain FOR UPDATE would collide with the foreign-key checks of others' inserts. Senders' rows too, as
  -- mark_read may be about to move the position that a send moves on from.
  IF in_waits THEN
    locked := ARRAY(SELECT c.id FROM conversations c WHERE c.id = ANY (in_conversations) AND c.deleted_at IS NULL
                     ORDER BY c.id FOR NO KEY UPDATE);
    PERFORM FROM (SELECT DISTINCT * FROM unnest(in_conversations, in_senders) AS g (conversation_id, user_id)
                   ORDER BY conversation_id, user_id) AS sender
      CROSS JOIN LATERAL (SELECT FROM participants p
                           WHERE p.conversation_id = sender.conversation_id AND p.user_id = sender.user_id
                             AND p.left_at IS NULL FOR NO KEY UPDATE) AS mine;
  ELSE
    locked := ARRAY(SELECT c.id FROM conversations c WHERE c.id = ANY (in_conversations) AND c.deleted_at IS NULL
                     ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED);
    busy := ARRAY(
      SELECT sender.conversation_id
        FROM (SELECT DISTINCT * FROM unnest(in_conversations, in_senders) AS g (conversation_id, user_id)
               WHERE g.conversation_id = ANY (locked) ORDER BY conversation_id, user_id) AS sender
       CROSS JOIN LATERAL (SELECT FROM participants p
                            WHERE p.conversation_id = sender.conversation_id AND p.user_id = sender.user_id
                              AND p.left_at IS NULL OFFSET 0) AS there
        LEFT JOIN LATERAL (SELECT true AS is_mine FROM participants p
                            WHERE p.conversation_id = sender.conversation_id AND p.user_id = sender.user_id
                              AND p.left_at IS NULL FOR NO KEY UPDATE SKIP LOCKED) AS held ON true
       WHERE held.is_mine IS NULL);
  END IF;

  FOR given IN
    SELECT g.place, g.conversation_id, g.sender_id, g.reply_to, g.fingerprint, g.moves_read,
           lag(g.place) OVER (PARTITION BY g.conversation_id, g.sender_id ORDER BY g.place) AS before_of_sender,
           CASE WHEN g.key IS NOT NULL THEN
             lag(g.place) OVER (PARTITION BY g.conversation_id, g.sender_id, g.key ORDER BY g.place)
           END AS before_of_key,
           c.id IS NOT NULL AS is_there, c.last_seq, c.version,
           c.closed_at IS NOT NULL AND NOT in_despite_close AS is_closed,
           g.sender_id IS NULL OR p.user_id IS NOT NULL AS is_in, p.last_read_seq,
           coalesce(p.visible_from_seq, 1) AS sees_from,
           known.seq AS known_seq, known.fingerprint AS known_fingerprint,
           c.kind = 'DIRECT' AND NOT in_despite_close AND EXISTS (
             SELECT FROM participants o
              WHERE o.conversation_id = g.conversation_id AND o.user_id IS DISTINCT FROM g.sender_id
                AND NOT takes_messages(g.sender_id, o.user_id, in_contacts_only AND g.sender_id IS NOT NULL)) AS is_refused
      FROM unnest(in_conversations, in_senders, in_replies_to, in_keys, in_fingerprints, in_move_read)
             WITH ORDINALITY AS g (conversation_id, sender_id, reply_to, key, fingerprint, moves_read, place)
      LEFT JOIN LATERAL (SELECT * FROM conversations c
                          WHERE c.id = g.conversation_id AND c.deleted_at IS NULL OFFSET 0) AS c ON true
      LEFT JOIN LATERAL (SELECT * FROM participants p
                          WHERE p.conversation_id = g.conversation_id AND p.user_id = g.sender_id
                            AND p.left_at IS NULL OFFSET 0) AS p ON true
      LEFT JOIN LATERAL (SELECT * FROM messages m
                          WHERE m.conversation_id = g.conversation_id AND m.idempotency_key = g.key
                            AND (m.sender_id = g.sender_id OR (m.sender_id IS NULL AND g.sender_id IS NULL))
                         OFFSET 0) AS known ON true
     ORDER BY g.conversation_id, g.place
  LOOP
    IF given.conversation_id IS DISTINCT FROM current THEN
      current := given.conversation_id;
      is_locked := current = ANY (locked);
      head_seq := given.last_seq;
      head_version := given.version;
    END IF;
    holder := holders[given.before_of_key];
    has_read := coalesce(read_to[given.before_of_sender], given.last_read_seq);
    found := CASE
      WHEN NOT in_waits AND given.is_there AND NOT is_locked OR current = ANY (busy) THEN 'LOCKED'
      WHEN NOT (is_locked AND given.is_there AND given.is_in) THEN 'NOT_FOUND'
      WHEN coalesce(given.known_seq, holder) IS NOT NULL THEN
        CASE WHEN given.fingerprint = coalesce(given.known_fingerprint, in_fingerprints[holder])
             THEN 'DEDUPLICATED' ELSE 'KEY_REUSED' END
      -- After the key, so that a retry is answered the same after a close.
      WHEN given.is_closed THEN 'CLOSED'
      WHEN given.is_refused THEN 'REFUSED'
      WHEN given.reply_to > head_seq OR given.reply_to < given.sees_from THEN 'NO_REPLY_TO'
      ELSE 'SENT' END;
    outcomes[given.place] := found;
    IF found = 'SENT' THEN
      IF given.moves_read AND given.sender_id IS NOT NULL THEN
        IF has_read < head_seq THEN passed_from[given.place] := has_read; END IF;
        has_read := head_seq + 1;
      END IF;
      head_seq := head_seq + 1;
      head_version := head_version + 1;
      seqs[given.place] := head_seq;
      versions[given.place] := head_version;
      holder := given.place;
    ELSIF found IN ('DEDUPLICATED', 'KEY_REUSED') THEN
      seqs[given.place] := coalesce(given.known_seq, seqs[holder]);
    END IF;
    read_to[given.place] := has_read;
    holders[given.place] := holder;
  END LOOP;

  -- Taken under the locks, so that times don't go back where seqs go on.
  sent_at := date_trunc('milliseconds', clock_timestamp());
  INSERT INTO messages (conversation_id, seq, version, sender_id, kind, body, metadata, reply_to_seq, subject_id,
                        idempotency_key, fingerprint, created_at)
       SELECT g.*, sent_at
         FROM unnest(in_conversations, seqs, versions, in_senders, in_kinds, in_bodies, in_metadata, in_replies_to,
                     in_subjects, in_keys, in_fingerprints)
                AS g (conversation_id, seq, version, sender_id, kind, body, metadata, reply_to, subject_id, key, print)
        WHERE g.version IS NOT NULL;
  UPDATE conversations c
     SET last_seq = c.last_seq + new.count, version = c.version + new.count, xid = pg_current_xact_id(),
         message_count = c.message_count + new.count, last_message_at = sent_at, activity_at = sent_at
    FROM (SELECT g.id, count(*)::integer AS count FROM unnest(in_conversations, versions) AS g (id, version)
           WHERE g.version IS NOT NULL GROUP BY g.id) AS new
   CROSS JOIN LATERAL (SELECT c.ctid FROM conversations c WHERE c.id = new.id OFFSET 0) AS old
   WHERE c.ctid = old.ctid;
  UPDATE participants p SET last_read_seq = new.seq, last_read_at = sent_at, state_xid = pg_current_xact_id()
    FROM (SELECT g.conversation_id, g.sender_id, max(g.seq) AS seq
            FROM unnest(in_conversations, in_senders, seqs, versions, in_move_read)
                   AS g (conversation_id, sender_id, seq, version, moves_read)
           WHERE g.version IS NOT NULL AND g.sender_id IS NOT NULL AND g.moves_read
           GROUP BY g.conversation_id, g.sender_id) AS new
   CROSS JOIN LATERAL (SELECT p.ctid FROM participants p
                        WHERE p.conversation_id = new.conversation_id AND p.user_id = new.sender_id OFFSET 0) AS old
   WHERE p.ctid = old.ctid;
  INSERT INTO read_advances (conversation_id, user_id, seq, from_seq, read_at)
       SELECT g.*, sent_at
         FROM unnest(in_conversations, in_senders, seqs, passed_from) AS g (conversation_id, sender_id, seq, from_seq)
        WHERE g.from_seq IS NOT NULL;

  RETURN QUERY
    SELECT g.outcome, g.seq, g.version, CASE WHEN g.version IS NOT NULL THEN sent_at END,
           CASE WHEN g.from_seq IS NOT NULL THEN sent_at END
      FROM unnest(outcomes, seqs, versions, passed_from) AS g (outcome, seq, version, from_seq);
END
$$;

-- One message, for those that add them by SQL.
CREATE OR REPLACE FUNCTION send_message(
  in_conversation uuid, in_sender uuid, in_kind message_kind, in_body text, in_metadata jsonb, in_reply_to integer,
  in_subject uuid, in_key text, in_fingerprint bytea, in_moves_read boolean, in_contacts_only boolean,
  in_despite_close boolean
) RETURNS TABLE (outcome text, seq integer, version integer, created_at timestamptz, read_at timestamptz)
LANGUAGE sql AS $$
  SELECT * FROM send_messages(
    ARRAY[in_conversation], ARRAY[in_sender], ARRAY[in_kind], ARRAY[in_body], ARRAY[in_metadata], ARRAY[in_reply_to],
    ARRAY[in_subject], ARRAY[in_key], ARRAY[in_fingerprint], ARRAY[in_moves_read], in_contacts_only, in_despite_close,
    true)
$$;

-- As before, but once for each statement that inserts messages: a batch asks once whether anybody listens at all. In the
-- order of the conversations, so that their streams are locked in one order.
DROP TRIGGER messages_event_inserted ON messages;
DROP FUNCTION message_inserted();
CREATE FUNCTION messages_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  message record;
  reference jsonb;
  action text;
BEGIN
  IF NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.disabled_at IS NULL) THEN RETURN NULL; END IF;
  FOR message IN
    SELECT i.conversation_id, i.seq, i.kind, i.subject_id FROM inserted i WHERE i.xid IS NOT NULL
     ORDER BY i.conversation_id, i.seq
  LOOP
    reference := jsonb_build_object('conversationId', message.conversation_id, 'seq', message.seq);
    IF message.subject_id IS NULL THEN
      PERFORM enqueue_event(message.conversation_id, ARRAY['message.added'], reference);
      CONTINUE;
    END IF;
    -- The message of an action tells of both: an endpoint gets it as the action, or else as the message.
    action := CASE message.kind
      WHEN 'DISPUTE' THEN (SELECT CASE d.status WHEN 'OPEN' THEN 'dispute.created' ELSE 'dispute.updated' END
                             FROM disputes d WHERE d.id = message.subject_id)
      WHEN 'PAYMENT' THEN (SELECT CASE p.status WHEN 'INITIATED' THEN 'payment.created' ELSE 'payment.updated' END
                             FROM payments p WHERE p.id = message.subject_id)
      WHEN 'JOB_UPDATE' THEN 'job_update.created'
    END;
    PERFORM enqueue_event(message.conversation_id, ARRAY[action, 'message.added'],
                          reference || jsonb_build_object('subjectId', message.subject_id));
  END LOOP;
  RETURN NULL;
END
$$;
CREATE TRIGGER messages_event_inserted AFTER INSERT ON messages REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
  EXECUTE FUNCTION messages_inserted();
