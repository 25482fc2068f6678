-- DropIndex
DROP INDEX "disputes_conversation_id_id_idx";

-- DropIndex
DROP INDEX "job_updates_conversation_id_id_idx";

-- DropIndex
DROP INDEX "payments_conversation_id_id_idx";

-- CreateIndex
CREATE UNIQUE INDEX "disputes_conversation_id_seq_key" ON "disputes"("conversation_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "job_updates_conversation_id_seq_key" ON "job_updates"("conversation_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "payments_conversation_id_seq_key" ON "payments"("conversation_id", "seq");
