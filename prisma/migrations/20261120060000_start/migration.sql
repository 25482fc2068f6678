-- CreateEnum
CREATE TYPE "user_type" AS ENUM ('HUMAN', 'AGENT');

-- CreateEnum
CREATE TYPE "conversation_kind" AS ENUM ('DIRECT', 'GROUP', 'JOB', 'SUPPORT', 'GENERAL', 'ROLEPLAY');

-- CreateEnum
CREATE TYPE "participant_role" AS ENUM ('OWNER', 'ADMIN', 'MEMBER');

-- CreateEnum
CREATE TYPE "message_kind" AS ENUM ('TEXT', 'SYSTEM', 'PAYMENT', 'DISPUTE', 'JOB_UPDATE', 'IMAGE', 'FILE', 'VOICE', 'LOCATION');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "username" TEXT NOT NULL,
    "display_name" TEXT NOT NULL,
    "email" TEXT,
    "avatar_url" TEXT,
    "role" TEXT,
    "type" "user_type" NOT NULL DEFAULT 'HUMAN',
    "profile_issued_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "conversations" (
    "id" UUID NOT NULL,
    "kind" "conversation_kind" NOT NULL,
    "title" TEXT,
    "direct_key" TEXT,
    "last_seq" INTEGER NOT NULL DEFAULT 0,
    "version" INTEGER NOT NULL DEFAULT 0,
    "details_version" INTEGER NOT NULL DEFAULT 0,
    "xid" xid8 DEFAULT pg_current_xact_id(),
    "last_message_at" TIMESTAMPTZ(3),
    "activity_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "conversations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "participants" (
    "conversation_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" "participant_role" NOT NULL DEFAULT 'MEMBER',
    "joined_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "left_at" TIMESTAMPTZ(3),
    "visible_from_seq" INTEGER NOT NULL DEFAULT 1,
    "last_read_seq" INTEGER NOT NULL DEFAULT 0,
    "last_read_at" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL,
    "xid" xid8 DEFAULT pg_current_xact_id(),

    CONSTRAINT "participants_pkey" PRIMARY KEY ("conversation_id","user_id")
);

-- CreateTable
CREATE TABLE "messages" (
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "version" INTEGER NOT NULL,
    "xid" xid8 DEFAULT pg_current_xact_id(),
    "sender_id" UUID,
    "kind" "message_kind" NOT NULL DEFAULT 'TEXT',
    "body" TEXT,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "idempotency_key" TEXT,
    "fingerprint" BYTEA,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "messages_pkey" PRIMARY KEY ("conversation_id","seq")
);

-- CreateTable
CREATE TABLE "database_epoch" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "epoch" TEXT NOT NULL,
    "system_identifier" TEXT NOT NULL,
    "timeline" INTEGER NOT NULL,

    CONSTRAINT "database_epoch_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_external_id_key" ON "users"("external_id");

-- CreateIndex
CREATE UNIQUE INDEX "conversations_direct_key_key" ON "conversations"("direct_key");

-- CreateIndex
CREATE INDEX "participants_user_id_conversation_id_idx" ON "participants"("user_id", "conversation_id");

-- CreateIndex
CREATE INDEX "participants_conversation_id_joined_at_user_id_idx" ON "participants"("conversation_id", "joined_at", "user_id");

-- CreateIndex
CREATE INDEX "messages_conversation_id_version_idx" ON "messages"("conversation_id", "version");

-- AddForeignKey
ALTER TABLE "participants" ADD CONSTRAINT "participants_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "participants" ADD CONSTRAINT "participants_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_sender_id_fkey" FOREIGN KEY ("sender_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What follows is beyond what schema.prisma can say.

-- A key is used once by each sender of a conversation; the system, which has no sender, is one of them. Messages without
-- a key are left out, or they would count as equals.
CREATE UNIQUE INDEX "messages_idempotency_key" ON "messages" ("conversation_id", "idempotency_key", "sender_id")
  NULLS NOT DISTINCT WHERE "idempotency_key" IS NOT NULL;

-- Each send updates these rows and no index of theirs. Half-empty pages keep such updates on their page (HOT), so that
-- they leave nothing for the indexes to clean up.
ALTER TABLE "conversations" SET (fillfactor = 50);
ALTER TABLE "participants" SET (fillfactor = 50);

ALTER TABLE "database_epoch" ADD CONSTRAINT "database_epoch_one_row" CHECK ("id");
