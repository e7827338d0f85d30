import { call, query } from '@/lib/api/client';
import { saveFile } from '@/lib/save-file';

export type ExportFormat = 'markdown' | 'json';

const ENDINGS: Record<ExportFormat, string> = { markdown: 'md', json: 'json' };

/** Saves the whole conversation as a file. */
export async function exportSession(sessionId: string, format: ExportFormat): Promise<void> {
  const response = await call(`/chat/sessions/${sessionId}/export${query({ format })}`);
  await saveFile(response, `chat.${ENDINGS[format]}`);
}
