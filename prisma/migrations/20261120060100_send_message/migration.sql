-- Adds one message to a conversation in one round trip: lock, checks, number, insert.
--
-- The function is VOLATILE and runs in READ COMMITTED, so each of its statements sees what was committed before it
-- began: the checks come after the lock, in statements of their own, and see what whoever held the lock has done.
--
-- outcome is SENT; or DEDUPLICATED (the key was used with this very request; seq is the message stored then);
-- or KEY_REUSED (with another request); or NOT_FOUND (no such conversation, or the sender is not in it).
CREATE FUNCTION send_message(
  in_conversation uuid, in_sender uuid, in_kind message_kind, in_body text, in_metadata jsonb,
  in_key text, in_fingerprint bytea, in_moves_read boolean
) RETURNS TABLE (outcome text, seq integer, version integer, created_at timestamptz, read_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  head record;
  known record;
  sender_read_seq integer;
  sent_at timestamptz;
BEGIN
  -- NO KEY: a plain FOR UPDATE would collide with the foreign-key checks of others' inserts.
  SELECT c.last_seq, c.version INTO head FROM conversations c WHERE c.id = in_conversation FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'NOT_FOUND', NULL::integer, NULL::integer, NULL::timestamptz, NULL::timestamptz;
    RETURN;
  END IF;

  IF in_sender IS NOT NULL THEN
    SELECT p.last_read_seq INTO sender_read_seq FROM participants p
     WHERE p.conversation_id = in_conversation AND p.user_id = in_sender AND p.left_at IS NULL;
    IF NOT FOUND THEN
      RETURN QUERY SELECT 'NOT_FOUND', NULL::integer, NULL::integer, NULL::timestamptz, NULL::timestamptz;
      RETURN;
    END IF;
  END IF;

  IF in_key IS NOT NULL THEN
    SELECT m.seq, m.version, m.created_at, m.fingerprint INTO known FROM messages m
     WHERE m.conversation_id = in_conversation AND m.idempotency_key = in_key
       AND (m.sender_id = in_sender OR (m.sender_id IS NULL AND in_sender IS NULL));
    IF FOUND THEN
      RETURN QUERY SELECT CASE WHEN known.fingerprint = in_fingerprint THEN 'DEDUPLICATED' ELSE 'KEY_REUSED' END,
                          known.seq, known.version, known.created_at, NULL::timestamptz;
      RETURN;
    END IF;
  END IF;

  -- Taken under the lock, so that times don't go back where seqs go on.
  sent_at := date_trunc('milliseconds', clock_timestamp());
  UPDATE conversations c
     SET last_seq = head.last_seq + 1, version = head.version + 1, xid = pg_current_xact_id(),
         last_message_at = sent_at, activity_at = sent_at
   WHERE c.id = in_conversation;
  INSERT INTO messages (conversation_id, seq, version, sender_id, kind, body, metadata, idempotency_key, fingerprint, created_at)
       VALUES (in_conversation, head.last_seq + 1, head.version + 1, in_sender, in_kind, in_body, in_metadata, in_key,
               in_fingerprint, sent_at);
  IF in_sender IS NOT NULL AND in_moves_read THEN
    UPDATE participants p SET last_read_seq = head.last_seq + 1, last_read_at = sent_at
     WHERE p.conversation_id = in_conversation AND p.user_id = in_sender;
  END IF;

  RETURN QUERY SELECT 'SENT', head.last_seq + 1, head.version + 1, sent_at,
                      CASE WHEN in_moves_read AND sender_read_seq < head.last_seq THEN sent_at END;
END
$$;
