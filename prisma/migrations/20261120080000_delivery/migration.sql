-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN     "edited_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "participants" ADD COLUMN     "state_xid" xid8 DEFAULT pg_current_xact_id();

-- CreateTable
CREATE TABLE "message_revisions" (
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "version" INTEGER NOT NULL,
    "body" TEXT,
    "replaced_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "message_revisions_pkey" PRIMARY KEY ("conversation_id","seq","version")
);

-- AddForeignKey
ALTER TABLE "message_revisions" ADD CONSTRAINT "message_revisions_conversation_id_seq_fkey" FOREIGN KEY ("conversation_id", "seq") REFERENCES "messages"("conversation_id", "seq") ON DELETE CASCADE ON UPDATE CASCADE;

-- As before, and now stamping whose state moved, so that an inbox that resumes is told of it.
-- Adds one message to a conversation in one round trip: lock, checks, number, insert.
--
-- The function is VOLATILE and runs in READ COMMITTED, so each of its statements sees what was committed before it
-- began: the checks come after the lock, in statements of their own, and see what whoever held the lock has done.
--
-- outcome is SENT; or DEDUPLICATED (the key was used with this very request; seq is the message stored then);
-- or KEY_REUSED (with another request); or NOT_FOUND (no such conversation, or the sender is not in it); or CLOSED;
-- or REFUSED (the other one of a direct conversation takes no messages); or NO_REPLY_TO (no such message to reply to).
CREATE OR REPLACE FUNCTION send_message(
  in_conversation uuid, in_sender uuid, in_kind message_kind, in_body text, in_metadata jsonb, in_reply_to integer,
  in_key text, in_fingerprint bytea, in_moves_read boolean
) RETURNS TABLE (outcome text, seq integer, version integer, created_at timestamptz, read_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  head record;
  known record;
  sender_read_seq integer;
  sender_sees_from integer := 1;
  sent_at timestamptz;
  refusal text;
BEGIN
  -- NO KEY: a plain FOR UPDATE would collide with the foreign-key checks of others' inserts.
  SELECT c.kind, c.last_seq, c.version, c.closed_at INTO head FROM conversations c
   WHERE c.id = in_conversation AND c.deleted_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    refusal := 'NOT_FOUND';
  ELSIF in_sender IS NOT NULL THEN
    -- Locked, as mark_read may be about to move the position that this send moves on from.
    SELECT p.last_read_seq, p.visible_from_seq INTO sender_read_seq, sender_sees_from FROM participants p
     WHERE p.conversation_id = in_conversation AND p.user_id = in_sender AND p.left_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN refusal := 'NOT_FOUND'; END IF;
  END IF;

  IF refusal IS NULL AND in_key IS NOT NULL THEN
    SELECT m.seq, m.version, m.created_at, m.fingerprint INTO known FROM messages m
     WHERE m.conversation_id = in_conversation AND m.idempotency_key = in_key
       AND (m.sender_id = in_sender OR (m.sender_id IS NULL AND in_sender IS NULL));
    IF FOUND THEN
      RETURN QUERY SELECT CASE WHEN known.fingerprint = in_fingerprint THEN 'DEDUPLICATED' ELSE 'KEY_REUSED' END,
                          known.seq, known.version, known.created_at, NULL::timestamptz;
      RETURN;
    END IF;
  END IF;

  -- After the key, so that a retry is answered the same after a close.
  IF refusal IS NULL AND head.closed_at IS NOT NULL THEN refusal := 'CLOSED'; END IF;
  IF refusal IS NULL AND head.kind = 'DIRECT' AND EXISTS (
       SELECT FROM participants p JOIN users u ON u.id = p.user_id
        WHERE p.conversation_id = in_conversation AND p.user_id IS DISTINCT FROM in_sender
          AND u.deactivated_at IS NOT NULL) THEN
    refusal := 'REFUSED';
  END IF;
  IF refusal IS NULL AND in_reply_to IS NOT NULL AND (in_reply_to > head.last_seq OR in_reply_to < sender_sees_from) THEN
    refusal := 'NO_REPLY_TO';
  END IF;
  IF refusal IS NOT NULL THEN
    RETURN QUERY SELECT refusal, NULL::integer, NULL::integer, NULL::timestamptz, NULL::timestamptz;
    RETURN;
  END IF;

  -- Taken under the lock, so that times don't go back where seqs go on.
  sent_at := date_trunc('milliseconds', clock_timestamp());
  UPDATE conversations c
     SET last_seq = head.last_seq + 1, version = head.version + 1, xid = pg_current_xact_id(),
         message_count = c.message_count + 1, last_message_at = sent_at, activity_at = sent_at
   WHERE c.id = in_conversation;
  INSERT INTO messages (conversation_id, seq, version, sender_id, kind, body, metadata, reply_to_seq, idempotency_key,
                        fingerprint, created_at)
       VALUES (in_conversation, head.last_seq + 1, head.version + 1, in_sender, in_kind, in_body, in_metadata,
               in_reply_to, in_key, in_fingerprint, sent_at);
  IF in_sender IS NOT NULL AND in_moves_read THEN
    UPDATE participants p SET last_read_seq = head.last_seq + 1, last_read_at = sent_at, state_xid = pg_current_xact_id()
     WHERE p.conversation_id = in_conversation AND p.user_id = in_sender;
    IF sender_read_seq < head.last_seq THEN
      INSERT INTO read_advances (conversation_id, user_id, seq, from_seq, read_at)
           VALUES (in_conversation, in_sender, head.last_seq + 1, sender_read_seq, sent_at);
    END IF;
  END IF;

  RETURN QUERY SELECT 'SENT', head.last_seq + 1, head.version + 1, sent_at,
                      CASE WHEN in_moves_read AND sender_read_seq < head.last_seq THEN sent_at END;
END
$$;

-- Moves read positions forward, for several participants at once; gives back those that moved. Participants' rows are
-- locked in (conversation, user) order, as a send that is under way holds one of them.
CREATE OR REPLACE FUNCTION mark_read(in_conversations uuid[], in_users uuid[], in_seqs integer[], in_read_at timestamptz)
RETURNS TABLE (conversation_id uuid, user_id uuid, seq integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM FROM participants p
     JOIN unnest(in_conversations, in_users) AS given (conversation_id, user_id) USING (conversation_id, user_id)
    ORDER BY p.conversation_id, p.user_id FOR NO KEY UPDATE OF p;
  RETURN QUERY
    WITH due AS (
      SELECT p.conversation_id, p.user_id, p.last_read_seq AS from_seq, least(given.seq, c.last_seq) AS seq
        FROM unnest(in_conversations, in_users, in_seqs) AS given (conversation_id, user_id, seq)
        JOIN participants p USING (conversation_id, user_id)
        JOIN conversations c ON c.id = p.conversation_id
       WHERE p.left_at IS NULL AND c.deleted_at IS NULL AND p.last_read_seq < least(given.seq, c.last_seq)
    ), moved AS (
      UPDATE participants p SET last_read_seq = due.seq, last_read_at = in_read_at, state_xid = pg_current_xact_id()
        FROM due WHERE p.conversation_id = due.conversation_id AND p.user_id = due.user_id
    ), kept AS (
      INSERT INTO read_advances (conversation_id, user_id, seq, from_seq, read_at)
           SELECT due.conversation_id, due.user_id, due.seq, due.from_seq, in_read_at FROM due
    )
    SELECT due.conversation_id, due.user_id, due.seq FROM due;
END
$$;
