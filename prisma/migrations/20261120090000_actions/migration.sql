-- CreateEnum
CREATE TYPE "dispute_status" AS ENUM ('OPEN', 'UNDER_REVIEW', 'RESOLVED', 'REJECTED', 'WITHDRAWN');

-- CreateEnum
CREATE TYPE "payment_status" AS ENUM ('INITIATED', 'PROCESSING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'REFUNDED');

-- CreateEnum
CREATE TYPE "contact_status" AS ENUM ('PENDING', 'ACCEPTED', 'DECLINED');

-- CreateEnum
CREATE TYPE "delivery_status" AS ENUM ('PENDING', 'DELIVERED', 'DEAD');

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "subject_id" UUID;

-- CreateTable
CREATE TABLE "disputes" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "opened_by_id" UUID,
    "reason" TEXT NOT NULL,
    "description" TEXT,
    "status" "dispute_status" NOT NULL DEFAULT 'OPEN',
    "resolution" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "disputes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payments" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "payer_id" UUID,
    "payee_id" UUID,
    "amount" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "description" TEXT,
    "status" "payment_status" NOT NULL DEFAULT 'INITIATED',
    "provider_reference" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "job_updates" (
    "id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "posted_by_id" UUID,
    "status" TEXT NOT NULL,
    "note" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "job_updates_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "contacts" (
    "id" UUID NOT NULL,
    "pair_key" TEXT NOT NULL,
    "requester_id" UUID NOT NULL,
    "addressee_id" UUID NOT NULL,
    "status" "contact_status" NOT NULL DEFAULT 'PENDING',
    "is_hidden" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "responded_at" TIMESTAMPTZ(3),

    CONSTRAINT "contacts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "blocks" (
    "blocker_id" UUID NOT NULL,
    "blocked_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "blocks_pkey" PRIMARY KEY ("blocker_id","blocked_id")
);

-- CreateTable
CREATE TABLE "webhook_endpoints" (
    "id" UUID NOT NULL,
    "url" TEXT NOT NULL,
    "event_types" TEXT[],
    "secret" TEXT NOT NULL,
    "previous_secret" TEXT,
    "previous_secret_until" TIMESTAMPTZ(3),
    "disabled_at" TIMESTAMPTZ(3),
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_streams" (
    "endpoint_id" UUID NOT NULL,
    "stream_id" UUID NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "claimed_until" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_streams_pkey" PRIMARY KEY ("endpoint_id","stream_id")
);

-- CreateTable
CREATE TABLE "webhook_deliveries" (
    "position" BIGSERIAL NOT NULL,
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "endpoint_id" UUID NOT NULL,
    "stream_id" UUID NOT NULL,
    "event_type" TEXT NOT NULL,
    "reference" JSONB NOT NULL,
    "status" "delivery_status" NOT NULL DEFAULT 'PENDING',
    "tries_before" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "webhook_tries" (
    "position" BIGINT NOT NULL,
    "number" INTEGER NOT NULL,
    "tried_at" TIMESTAMPTZ(3) NOT NULL,
    "http_status" INTEGER,
    "error" TEXT,
    "duration_ms" INTEGER NOT NULL,

    CONSTRAINT "webhook_tries_pkey" PRIMARY KEY ("position","number")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "service" TEXT NOT NULL,
    "acted_for" UUID,
    "operation" TEXT NOT NULL,
    "subject" JSONB NOT NULL,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "disputes_conversation_id_id_idx" ON "disputes"("conversation_id", "id");

-- CreateIndex
CREATE INDEX "payments_conversation_id_id_idx" ON "payments"("conversation_id", "id");

-- CreateIndex
CREATE INDEX "job_updates_conversation_id_id_idx" ON "job_updates"("conversation_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "contacts_pair_key_key" ON "contacts"("pair_key");

-- CreateIndex
CREATE INDEX "contacts_requester_id_id_idx" ON "contacts"("requester_id", "id");

-- CreateIndex
CREATE INDEX "contacts_addressee_id_id_idx" ON "contacts"("addressee_id", "id");

-- CreateIndex
CREATE INDEX "blocks_blocked_id_idx" ON "blocks"("blocked_id");

-- CreateIndex
CREATE INDEX "webhook_streams_endpoint_id_due_at_idx" ON "webhook_streams"("endpoint_id", "due_at");

-- CreateIndex
CREATE UNIQUE INDEX "webhook_deliveries_id_key" ON "webhook_deliveries"("id");

-- CreateIndex
CREATE INDEX "webhook_deliveries_endpoint_id_status_position_idx" ON "webhook_deliveries"("endpoint_id", "status", "position");

-- CreateIndex
CREATE INDEX "audit_entries_acted_for_id_idx" ON "audit_entries"("acted_for", "id");

-- CreateIndex
CREATE INDEX "audit_entries_operation_id_idx" ON "audit_entries"("operation", "id");

-- AddForeignKey
ALTER TABLE "disputes" ADD CONSTRAINT "disputes_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job_updates" ADD CONSTRAINT "job_updates_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_streams" ADD CONSTRAINT "webhook_streams_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoints"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoints"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_tries" ADD CONSTRAINT "webhook_tries_position_fkey" FOREIGN KEY ("position") REFERENCES "webhook_deliveries"("position") ON DELETE CASCADE ON UPDATE CASCADE;

-- Whether a user (null: the host) may write to another one directly: who is not deactivated, between whom no block
-- stands, and, where that is asked for, whose contact was accepted. Whatever changes the answer, but for
-- deactivation, locks the row of the pair's direct conversation, if there is one.
CREATE FUNCTION takes_messages(in_sender uuid, in_other uuid, in_contacts_only boolean) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (SELECT FROM users u WHERE u.id = in_other AND u.deactivated_at IS NOT NULL)
     AND NOT EXISTS (SELECT FROM blocks b WHERE (b.blocker_id, b.blocked_id) IN ((in_sender, in_other), (in_other, in_sender)))
     AND (NOT in_contacts_only OR EXISTS (
           SELECT FROM contacts c WHERE c.status = 'ACCEPTED'
              AND c.pair_key = least(in_sender, in_other)::text || '-' || greatest(in_sender, in_other)::text))
$$;

-- Adds one message to a conversation in one round trip: lock, checks, number, insert.
--
-- The function is VOLATILE and runs in READ COMMITTED, so each of its statements sees what was committed before it
-- began: the checks come after the lock, in statements of their own, and see what whoever held the lock has done.
--
-- outcome is SENT; or DEDUPLICATED (the key was used with this very request; seq is the message stored then);
-- or KEY_REUSED (with another request); or NOT_FOUND (no such conversation, or the sender is not in it); or CLOSED;
-- or REFUSED (the other one of a direct conversation takes no messages from the sender; like CLOSED, not with
-- in_despite_close, for what the host has to tell of its business); or NO_REPLY_TO (no such
-- message to reply to).
DROP FUNCTION send_message(uuid, uuid, message_kind, text, jsonb, integer, text, bytea, boolean);
CREATE FUNCTION send_message(
  in_conversation uuid, in_sender uuid, in_kind message_kind, in_body text, in_metadata jsonb, in_reply_to integer,
  in_subject uuid, in_key text, in_fingerprint bytea, in_moves_read boolean, in_contacts_only boolean,
  in_despite_close boolean
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
  IF refusal IS NULL AND head.closed_at IS NOT NULL AND NOT in_despite_close THEN refusal := 'CLOSED'; END IF;
  IF refusal IS NULL AND head.kind = 'DIRECT' AND NOT in_despite_close AND EXISTS (
       SELECT FROM participants p
        WHERE p.conversation_id = in_conversation AND p.user_id IS DISTINCT FROM in_sender
          AND NOT takes_messages(in_sender, p.user_id, in_contacts_only AND in_sender IS NOT NULL)) THEN
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
  INSERT INTO messages (conversation_id, seq, version, sender_id, kind, body, metadata, reply_to_seq, subject_id,
                        idempotency_key, fingerprint, created_at)
       VALUES (in_conversation, head.last_seq + 1, head.version + 1, in_sender, in_kind, in_body, in_metadata,
               in_reply_to, in_subject, in_key, in_fingerprint, sent_at);
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

-- What waits of a stream, in its order, however much of it was delivered.
CREATE INDEX "webhook_deliveries_waiting" ON "webhook_deliveries" ("endpoint_id", "stream_id", "position")
  WHERE "status" = 'PENDING';

-- Room for the claims' updates beside their rows, which then touch no index.
ALTER TABLE "webhook_streams" SET (fillfactor = 70);

-- Tells each endpoint that wants one of `in_types` of an event, as the first of these that it wants. The stream's row is
-- taken first, even where it stays as it is: so positions are given out in the order of commits, and no worker puts the
-- stream to sleep past a delivery that it doesn't see yet.
CREATE FUNCTION enqueue_event(in_stream uuid, in_types text[], in_reference jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  endpoint record;
BEGIN
  FOR endpoint IN
    SELECT e.id, (SELECT given.type FROM unnest(in_types) WITH ORDINALITY AS given (type, place)
                   WHERE given.type = ANY (e.event_types) ORDER BY given.place LIMIT 1) AS event_type
      FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND e.event_types && in_types ORDER BY e.id
  LOOP
    INSERT INTO webhook_streams AS s (endpoint_id, stream_id, due_at) VALUES (endpoint.id, in_stream, now())
      ON CONFLICT (endpoint_id, stream_id) DO UPDATE SET due_at = now() WHERE s.due_at IS NULL;
    INSERT INTO webhook_deliveries (endpoint_id, stream_id, event_type, reference)
         VALUES (endpoint.id, in_stream, endpoint.event_type, in_reference);
  END LOOP;
END
$$;

-- The message of an integration action tells of both: an endpoint gets it as the action, or else as the message.
CREATE FUNCTION message_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  reference jsonb;
  action text;
BEGIN
  -- Where there is no endpoint at all, a send costs next to nothing more.
  IF NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.disabled_at IS NULL) THEN RETURN NULL; END IF;
  reference := jsonb_build_object('conversationId', NEW.conversation_id, 'seq', NEW.seq);
  IF NEW.subject_id IS NULL THEN
    PERFORM enqueue_event(NEW.conversation_id, ARRAY['message.added'], reference);
    RETURN NULL;
  END IF;
  action := CASE NEW.kind
    WHEN 'DISPUTE' THEN (SELECT CASE d.status WHEN 'OPEN' THEN 'dispute.created' ELSE 'dispute.updated' END
                           FROM disputes d WHERE d.id = NEW.subject_id)
    WHEN 'PAYMENT' THEN (SELECT CASE p.status WHEN 'INITIATED' THEN 'payment.created' ELSE 'payment.updated' END
                           FROM payments p WHERE p.id = NEW.subject_id)
    WHEN 'JOB_UPDATE' THEN 'job_update.created'
  END;
  PERFORM enqueue_event(NEW.conversation_id, ARRAY[action, 'message.added'],
                        reference || jsonb_build_object('subjectId', NEW.subject_id));
  RETURN NULL;
END
$$;
CREATE TRIGGER messages_event_inserted AFTER INSERT ON messages FOR EACH ROW
  WHEN (NEW.xid IS NOT NULL) EXECUTE FUNCTION message_inserted();

CREATE FUNCTION message_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM enqueue_event(NEW.conversation_id,
                        ARRAY[CASE WHEN NEW.deleted_at IS NULL THEN 'message.edited' ELSE 'message.deleted' END],
                        jsonb_build_object('conversationId', NEW.conversation_id, 'seq', NEW.seq));
  RETURN NULL;
END
$$;
CREATE TRIGGER messages_event_updated AFTER UPDATE ON messages FOR EACH ROW
  WHEN (OLD.edited_at IS DISTINCT FROM NEW.edited_at OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL))
  EXECUTE FUNCTION message_updated();

CREATE FUNCTION conversation_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM enqueue_event(NEW.id, ARRAY[CASE
      WHEN TG_OP = 'INSERT' THEN 'conversation.created'
      WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN 'conversation.deleted'
      WHEN OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL THEN 'conversation.closed'
      WHEN OLD.closed_at IS NOT NULL AND NEW.closed_at IS NULL THEN 'conversation.reopened'
      ELSE 'conversation.updated' END],
    jsonb_build_object('conversationId', NEW.id));
  RETURN NULL;
END
$$;
CREATE TRIGGER conversations_event_inserted AFTER INSERT ON conversations FOR EACH ROW
  WHEN (NEW.xid IS NOT NULL) EXECUTE FUNCTION conversation_changed();
-- A send changes the row too, but not its details.
CREATE TRIGGER conversations_event_updated AFTER UPDATE ON conversations FOR EACH ROW
  WHEN (OLD.details_version IS DISTINCT FROM NEW.details_version) EXECUTE FUNCTION conversation_changed();

CREATE FUNCTION participant_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM enqueue_event(NEW.conversation_id, ARRAY['participant.' || lower(NEW.change::text)],
                        jsonb_build_object('conversationId', NEW.conversation_id, 'userId', NEW.user_id));
  RETURN NULL;
END
$$;
-- Those who are there from the beginning came with the conversation.
CREATE TRIGGER participants_event_inserted AFTER INSERT ON participants FOR EACH ROW
  WHEN (NEW.xid IS NOT NULL AND NEW.joined_version > 0) EXECUTE FUNCTION participant_changed();
-- Reading and the user's own state raise no version.
CREATE TRIGGER participants_event_updated AFTER UPDATE ON participants FOR EACH ROW
  WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION participant_changed();

-- The stream is the pair's, so that a contact that is made anew comes after the one that was removed.
CREATE FUNCTION contact_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  contact contacts := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  PERFORM enqueue_event(md5('contact ' || contact.pair_key)::uuid, ARRAY[CASE
      WHEN TG_OP = 'DELETE' THEN 'contact.removed'
      WHEN contact.status = 'ACCEPTED' THEN 'contact.accepted'
      WHEN contact.status = 'DECLINED' THEN 'contact.declined'
      ELSE 'contact.requested' END],
    jsonb_build_object('contactId', contact.id, 'requesterId', contact.requester_id,
                       'addresseeId', contact.addressee_id));
  RETURN NULL;
END
$$;
-- One that is hidden from the addressee is hidden from the host too, which might tell.
CREATE TRIGGER contacts_event_inserted AFTER INSERT ON contacts FOR EACH ROW
  WHEN (NOT NEW.is_hidden) EXECUTE FUNCTION contact_changed();
CREATE TRIGGER contacts_event_updated AFTER UPDATE ON contacts FOR EACH ROW
  WHEN (NOT NEW.is_hidden AND (OLD.status IS DISTINCT FROM NEW.status OR OLD.is_hidden))
  EXECUTE FUNCTION contact_changed();
-- A declined request was over before.
CREATE TRIGGER contacts_event_deleted AFTER DELETE ON contacts FOR EACH ROW
  WHEN (NOT OLD.is_hidden AND OLD.status <> 'DECLINED') EXECUTE FUNCTION contact_changed();

-- Ends a worker's turn at a stream, of which it has tried the delivery in_tried (null: none). The stream sleeps if nothing
-- waits; or the claim goes on for in_seconds, if that is not null and another delivery may be tried; or it is given back,
-- due at once, or in in_wait_ms if in_tried still comes first. Whoever has lost the claim lets the stream alone. Gives
-- back until when the claim goes on; null: no longer.
CREATE FUNCTION leave_webhook_stream(
  in_endpoint uuid, in_stream uuid, in_claimed_until timestamptz, in_tried bigint, in_wait_ms bigint, in_seconds integer
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  next_position bigint;
  goes_on_until timestamptz(3);
BEGIN
  -- If the server crashes and forgets this, a delivery is made again: that is allowed, and waiting for the disk is dear.
  PERFORM set_config('synchronous_commit', 'off', true);
  -- What whoever writes deliveries locks: the statements after this one see what it wrote.
  PERFORM FROM webhook_streams s WHERE s.endpoint_id = in_endpoint AND s.stream_id = in_stream
                                   AND s.claimed_until = in_claimed_until FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT d.position INTO next_position FROM webhook_deliveries d
   WHERE d.endpoint_id = in_endpoint AND d.stream_id = in_stream AND d.status = 'PENDING'
   ORDER BY d.position LIMIT 1;
  IF in_seconds IS NOT NULL AND next_position IS DISTINCT FROM in_tried AND next_position IS NOT NULL
     AND EXISTS (SELECT FROM webhook_endpoints e WHERE e.id = in_endpoint AND e.disabled_at IS NULL) THEN
    goes_on_until := clock_timestamp() + in_seconds * interval '1 s';
  END IF;
  UPDATE webhook_streams s
     SET claimed_until = goes_on_until,
         due_at = CASE WHEN next_position IS NULL THEN NULL
                       WHEN goes_on_until IS NOT NULL THEN s.due_at
                       WHEN next_position = in_tried THEN clock_timestamp() + in_wait_ms * interval '1 ms'
                       ELSE clock_timestamp() END
   WHERE s.endpoint_id = in_endpoint AND s.stream_id = in_stream;
  RETURN goes_on_until;
END
$$;

-- Notes a try of a delivery and what it leads to: DELIVERED, DEAD, or PENDING again; then as leave_webhook_stream. Only
-- who has the claim may give a delivery up, as another may just be making it.
CREATE FUNCTION finish_webhook_try(
  in_endpoint uuid, in_stream uuid, in_claimed_until timestamptz, in_tried bigint, in_wait_ms bigint, in_seconds integer,
  in_tried_at timestamptz, in_http_status integer, in_error text, in_duration_ms integer, in_status delivery_status
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  is_claimed boolean;
BEGIN
  SELECT s.claimed_until = in_claimed_until INTO is_claimed FROM webhook_streams s
   WHERE s.endpoint_id = in_endpoint AND s.stream_id = in_stream FOR UPDATE;
  PERFORM FROM webhook_deliveries d WHERE d.position = in_tried FOR NO KEY UPDATE;
  -- What hangs on a deleted endpoint is cleared away.
  IF FOUND THEN
    INSERT INTO webhook_tries (position, number, tried_at, http_status, error, duration_ms)
         SELECT in_tried, coalesce(max(t.number), 0) + 1, in_tried_at, in_http_status, in_error, in_duration_ms
           FROM webhook_tries t WHERE t.position = in_tried;
    IF in_status = 'DELIVERED' OR (in_status = 'DEAD' AND is_claimed) THEN
      UPDATE webhook_deliveries d SET status = in_status, finished_at = clock_timestamp()
       WHERE d.position = in_tried AND d.status = 'PENDING';
    END IF;
  END IF;
  RETURN leave_webhook_stream(in_endpoint, in_stream, in_claimed_until, in_tried, in_wait_ms, in_seconds);
END
$$;
