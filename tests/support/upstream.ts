// The test upstream's figures; what it can be told by markers is in tests/fakes/upstream/README.md.
import { randomUUID } from 'node:crypto'
import { env } from './env.ts'

export interface SeenRequest {
  path: string
  headers: Record<string, string>
  /** Of one over 1 MiB its first 64 KiB; then body_end is its last 1 KiB. */
  body: string
  body_bytes: number
  body_end: string
}
export interface Stats {
  chats: number
  completed: number
  cancelled: number
  open_streams: number
  cancels: { epoch_ms: number; deltas: number; tag: string }[]
  /** The newest first; titles left out. */
  recent_chats: SeenRequest[]
}

export async function stats(): Promise<Stats> {
  const response = await fetch(`${env.upstreamUrl}/__stats`)
  if (!response.ok) throw new Error(`__stats: ${response.status}`)
  return (await response.json()) as Stats
}

/** A word for `tag=`, to find this test's cancel among those of others. */
export const freshTag = () => randomUUID().slice(0, 18)
export const cancelOf = async (tag: string) => (await stats()).cancels.find((c) => c.tag === tag)

export interface UpstreamBody {
  model: string
  messages: { role: string; content: string }[]
  max_tokens?: number
  stream?: boolean
  stream_options?: { include_usage: boolean }
}

/** What the service sent upstream for the send that `act` makes with this nonce in its text. */
export async function seenUpstream(act: (nonce: string) => Promise<void>): Promise<{ body: UpstreamBody; headers: Record<string, string>; nonce: string }> {
  const nonce = randomUUID()
  await act(nonce)
  const seen = (await stats()).recent_chats.find((chat) => chat.body.includes(nonce))
  if (!seen) throw new Error('nothing with this nonce was sent upstream')
  return { body: JSON.parse(seen.body) as UpstreamBody, headers: seen.headers, nonce }
}

/** The upstream's generated text (README, "Generated text"), so that every byte can be compared. */
export function generatedText(chunks: number, size: number, { prefix = '', utf8 = false } = {}): string {
  const wide = Buffer.from('😀é漢')
  const parts: Buffer[] = []
  for (let i = 0; i < chunks; i++) {
    const head = Buffer.from(`${prefix}${i}:`).subarray(0, size)
    const filled: Buffer[] = [head]
    let at = head.length
    while (utf8 && at + wide.length <= size) {
      filled.push(wide)
      at += wide.length
    }
    filled.push(Buffer.from(Array.from({ length: size - at }, (_, k) => 97 + ((i + k) % 26))))
    parts.push(...filled)
  }
  return Buffer.concat(parts).toString('utf8')
}
