-- CreateEnum
CREATE TYPE "participant_change" AS ENUM ('JOINED', 'LEFT', 'REMOVED', 'ROLE_CHANGED');

-- AlterTable
ALTER TABLE "conversations" ADD COLUMN     "closed_at" TIMESTAMPTZ(3),
ADD COLUMN     "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN     "key_topics" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "message_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "metadata" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "opening_key" TEXT,
ADD COLUMN     "participant_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "subject_id" TEXT,
ADD COLUMN     "summary" TEXT,
ADD COLUMN     "tags" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "reply_to_seq" INTEGER;

-- AlterTable
ALTER TABLE "participants" ADD COLUMN     "archived_seq" INTEGER,
ADD COLUMN     "change" "participant_change" NOT NULL DEFAULT 'JOINED',
ADD COLUMN     "is_favorited" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "is_pinned" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "joined_version" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "muted_until" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "deactivated_at" TIMESTAMPTZ(3),
ADD COLUMN     "tokens_valid_from" TIMESTAMPTZ(3),
ADD COLUMN     "words" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "user_words" (
    "word" TEXT NOT NULL,
    "user_id" UUID NOT NULL,

    CONSTRAINT "user_words_pkey" PRIMARY KEY ("word","user_id")
);

-- CreateTable
CREATE TABLE "read_advances" (
    "conversation_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "from_seq" INTEGER NOT NULL,
    "read_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "read_advances_pkey" PRIMARY KEY ("conversation_id","user_id","seq")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "actor" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "result" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("actor","operation","key")
);

-- CreateIndex
CREATE INDEX "user_words_user_id_word_idx" ON "user_words"("user_id", "word");

-- CreateIndex
CREATE INDEX "participants_conversation_id_version_idx" ON "participants"("conversation_id", "version");

-- AddForeignKey
ALTER TABLE "user_words" ADD CONSTRAINT "user_words_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "read_advances" ADD CONSTRAINT "read_advances_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- CreateIndex
CREATE INDEX "participants_xid_idx" ON "participants"("xid");
