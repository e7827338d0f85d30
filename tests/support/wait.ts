// Tests wait for conditions, never for a time.

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Asks until the answer is truthy and gives it back; an error that says `what` when time is up. */
export async function until<T>(what: string, ask: () => Promise<T> | T, timeoutMs = 8_000): Promise<Exclude<NonNullable<T>, false>> {
  const deadline = performance.now() + timeoutMs
  for (let wait = 10; ; wait = Math.min(wait * 1.5, 100)) {
    const answer = await ask()
    if (answer) return answer as Exclude<NonNullable<T>, false>
    if (performance.now() > deadline) throw new Error(`after ${timeoutMs} ms still not: ${what}`)
    await pause(wait)
  }
}
