export interface Block {
  line: number
  info: string
  body: string
  /** Why it is not run, where it says so. */
  unrun: string | undefined
}
export function fencedBlocks(text: string): Block[]
